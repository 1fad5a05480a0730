#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# test-shipped.sh AIKM-DARKNET FOLDER: the shipped model is what its rows and its command make (to the bit on Debian 12, where it was
# taught), and is worth more than the rules on what it was taught. What it is worth on programs that it has not seen is judge.py's to
# say: docs/prediction.md.
set -e
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$2/train.sh" "$1" "$out" 2>"$out/log" || { cat "$out/log"; exit 1; }
cmp "$out/default.cfg" "$2/default.cfg" || { echo "FAIL default.cfg is not what train.sh makes of rows.csv.xz"; exit 1; }
# Training amplifies what two builds of darknet and libm round differently: the bytes are those of Debian 12. What others teach is
# of the same worth, to 0.01 of each accuracy over programs (Debian 13: 0.8912 for 0.8904).
if [ "$(getconf GNU_LIBC_VERSION)" = 'glibc 2.36' ]; then
    for file in default.weights default.json; do
        cmp "$out/$file" "$2/$file" || { echo "FAIL $file is not what train.sh makes of rows.csv.xz"; exit 1; }
    done
else
    worth() { sed -n '/"program_accuracy"/s/[^0-9.]//gp' "$1/default.json"; }
    size() { wc -c <"$1/default.weights"; }
    worth "$2" >"$out/shipped"
    worth "$out" | paste - "$out/shipped" >"$out/both"
    echo "$(getconf GNU_LIBC_VERSION): bounds instead of bytes; accuracies over programs, taught and shipped:" && cat "$out/both"
    [ "$(size "$out")" = "$(size "$2")" ] || { echo "FAIL default.weights is of another size"; exit 1; }
    awk -F '\t' '{ if ($1 - $2 >= 0.01 || $2 - $1 >= 0.01) bad = 1; sum += $2 } END { exit bad || !sum }' "$out/both" ||
        { echo "FAIL default.json is not worth what train.sh makes of rows.csv.xz"; exit 1; }
fi
xz -dc "$2/rows.csv.xz" >"$out/rows.csv"
"$1" evaluate --manifest "$2/default.json" --rows "$out/rows.csv" --split "$2/default.split" --side train --require-better
