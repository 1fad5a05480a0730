#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh BUILD-DIR: every benchmark, one after the other. Figures are printed with what they are compared with; nothing is judged here.
set -euo pipefail
here=$(dirname "$(realpath "$0")") build=$(realpath "$1")
export AIKM_MODEL_DIR=${AIKM_MODEL_DIR:-$(realpath "$here/../../models/data")}
for bench in "$build"/tests/bench/bench-*; do
    [ -x "$bench" ] && [ -f "$bench" ] || continue
    case $bench in
    */bench-filter) set -- "$here/../harness/with-capture.sh" "$here/../../../shared/data" "$bench" "$build/tests/harness/filter" ;;
    *) set -- "$bench" ;;
    esac
    echo "== ${bench##*/}"
    "$@" || [ $? = 77 ] # which says why it cannot run here
done
"$here/effect/effect.py" --quick --aikmd "$build/daemon/aikmd"
"$here/daemon.sh" "$build/daemon/aikmd"
"$here/hackbench.sh" "$build/daemon/aikmd"
"$here/idle.sh" "$build/daemon/aikmd"
