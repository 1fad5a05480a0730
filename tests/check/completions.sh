#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# completions.sh SOURCE-ROOT: every verb and every option of aikmctl is in each shell's completion, and bash's and zsh's are valid.
set -euo pipefail
cd "$1"
bad=0
need() { # file what pattern
    grep -Eq -- "$3" "$1" || { echo "$1: no $2"; bad=1; }
}

mapfile -t verbs < <(sed -n 's/^ *&verb_spec_\([a-z]*\),$/\1/p' cli/verbs.c)
[ ${#verbs[@]} -gt 0 ] || { echo "no verbs found in cli/verbs.c"; exit 1; }
for verb in "${verbs[@]}"; do
    need systemd/completions/aikmctl.bash "verb \"$verb\"" "^ *local verbs='(.* )?$verb( .*)?'"
    need systemd/completions/aikmctl.fish "verb \"$verb\"" "^complete .* -a $verb( |\$)"
    need systemd/completions/_aikmctl "verb \"$verb\"" "^ *'?$verb:"
done

# Rows of the tables of options: {'j', "json", …
options=$(sed -nE "s/.*\\{('(.)'|0), \"([a-z0-9-]+)\", (NULL|\"[^\"]*\").*/\\2 \\3/p" cli/args.c cli/[a-z]*.c cli/top/*.c | sort -u)
[ "$(wc -l <<<"$options")" -ge 20 ] || { echo "too few options found in cli/"; exit 1; }
while read -r letter name; do
    [ -n "$name" ] || { name=$letter letter=; }
    need systemd/completions/aikmctl.bash "option --$name" "[ '|]--$name[ '|)=]"
    need systemd/completions/aikmctl.fish "option --$name" "^complete .*${letter:+ -s $letter} -l $name( |\$)"
    need systemd/completions/_aikmctl "option --$name" "${letter:+\\{-$letter\\+?,}--$name(=?\\}|\\[)"
done <<<"$options"

# The compiler's and aikm-packets' are in tables of getopt_long's.
long_options() { # program, source, at least
    local name names
    names=$(sed -nE 's/^ *\{"([a-z-]+)", (no|required)_argument, .*/\1/p' "$2")
    [ "$(wc -l <<<"$names")" -ge "$3" ] || { echo "too few options found in $2"; exit 1; }
    for name in $names; do
        need "systemd/completions/$1.bash" "option --$name" "[ ']--$name[ ']"
        need "systemd/completions/$1.fish" "option --$name" "^complete .* -l $name( |\$)"
        need "systemd/completions/_$1" "option --$name" "[',*]--$name(=?[}]|=?\\[)"
    done
}
long_options aikm-compile models/compiler/options.c 15
long_options aikm-packets models/packets/main.c 7

# What bash offers at the end of a line. Outside readline there is no compopt.
compopt() { :; }
offers() { # line word...
    local line=$1 word
    shift
    # shellcheck disable=SC2034 # for the function
    COMP_LINE=$line COMP_POINT=${#line}
    # As readline breaks words; what is behind the last break is what is completed.
    mapfile -t COMP_WORDS < <(grep -oE '[^ =:@]+|[=:@]' <<<"$line")
    [[ $line != *' ' ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _aikmctl
    for word in "$@"; do
        [[ $'\n'$(printf '%s\n' "${COMPREPLY[@]-}")$'\n' == *$'\n'"$word"$'\n'* ]] || { echo "bash offers no \"$word\" behind \"$line\""; bad=1; }
    done
}
# shellcheck disable=SC1091
. systemd/completions/aikmctl.bash
offers 'aikmctl st' status
offers 'aikmctl --ho' --host
offers 'aikmctl -H admin@server:22 ' status top --json
offers 'aikmctl --host=admin@server ps --so' --sort
offers 'aikmctl --machine web top --sort ' wait
offers 'aikmctl -M .h' .host
offers 'aikmctl -j mode ' observe enforce
offers 'aikmctl policy set thresholds.dw' thresholds.dwell=
offers 'aikmctl policy set mode=advise classes.batch.ni' classes.batch.nice=
for program in aikmctl aikm-compile aikm-packets; do
    bash -n "systemd/completions/$program.bash" || bad=1
    ! command -v zsh >/dev/null || zsh -n "systemd/completions/_$program" || bad=1
    ! command -v fish >/dev/null || fish --no-execute "systemd/completions/$program.fish" || bad=1
done
[ $bad = 0 ] && echo "${#verbs[@]} verbs, $(wc -l <<<"$options") options: fine"
