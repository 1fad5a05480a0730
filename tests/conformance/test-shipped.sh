#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# test-shipped.sh AIKM-DARKNET FOLDER: the shipped model is what its rows and its command make, and is worth more than the rules on
# what it was taught. What it is worth on programs that it has not seen is judge.py's to say: docs/prediction.md.
set -e
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$2/train.sh" "$1" "$out" 2>"$out/log" || { cat "$out/log"; exit 1; }
for file in default.cfg default.weights default.json; do
    cmp "$out/$file" "$2/$file" || { echo "FAIL $file is not what train.sh makes of rows.csv.xz"; exit 1; }
done
xz -dc "$2/rows.csv.xz" >"$out/rows.csv"
"$1" evaluate --manifest "$2/default.json" --rows "$out/rows.csv" --split "$2/default.split" --side train --require-better
