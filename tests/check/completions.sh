#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# completions.sh SOURCE-ROOT: every verb of aikmctl is in each shell's completion and in its manual page.
set -euo pipefail
cd "$1"
mapfile -t verbs < <(sed -n 's/^ *&verb_spec_\([a-z]*\),$/\1/p' cli/verbs.c)
[ ${#verbs[@]} -gt 0 ] || { echo "no verbs found in cli/verbs.c"; exit 1; }
bad=0
need() { # file verb pattern
    grep -Eq -- "$3" "$1" || { echo "$1: no verb \"$2\""; bad=1; }
}
for verb in "${verbs[@]}"; do
    need systemd/completions/aikmctl.bash "$verb" "^ *local verbs='(.* )?$verb( .*)?'"
    need systemd/completions/aikmctl.fish "$verb" "^complete .* -a $verb( |\$)"
    need systemd/completions/_aikmctl "$verb" "^ *'?$verb:"
    need man/aikmctl.1.scd "$verb" "^\*aikmctl\* \[_OPTIONS_\] \*$verb\b"
    need man/aikmctl.1.scd "$verb" "^\*$verb\b"
done
[ $bad = 0 ] && echo "${#verbs[@]} verbs: fine"
