#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh AIKM-COMPILE ROWS.csv OUT [EXAMPLE…]: each example trained, compiled for the traffic filter, and held against the kernel.
# ROWS.csv is what aikm-packets makes of captures; EXAMPLE: tree forest mlp darknet pytorch (default: all).
set -euo pipefail
compile=$1 rows=$2 out=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
for example in "${@:-tree forest mlp darknet pytorch}"; do
    for name in $example; do
        echo "== $name"
        model=$out/$name.onnx
        case $name in
        pytorch) /usr/bin/python3 "$here/pytorch_mlp.py" "$rows" "$out/$name" ;;
        darknet)
            /usr/bin/python3 -W ignore "$here/darknet_mlp.py" "$rows" "$out/$name"
            model=$out/$name.cfg
            ;;
        *) /usr/bin/python3 -W ignore "$here/sklearn_models.py" "$name" "$rows" "$out/$name" ;;
        esac
        "$compile" "$model" --features "$out/$name.json" --calibrate "$rows" --target xdp -o "$out/filter-$name"
        "$compile" verify "$model" --features "$out/$name.json" --rows "$rows"
    done
done
