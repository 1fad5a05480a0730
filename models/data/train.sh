#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# train.sh AIKM-DARKNET [FOLDER]: the shipped model again, from rows.csv.xz, into FOLDER (default: where it is shipped from).
# The same rows give the same bytes.
set -e
here=$(cd "$(dirname "$0")" && pwd)
xz -dc "$here/rows.csv.xz" | "$1" train --rows - --split "$here/default.split" -o "${2:-$here}" --name default --model-version 3 \
    --description 'Taught by all programs of rows.csv.xz; docs/prediction.md says how it was judged' \
    --hidden 32 --members 5 --batches 3000 --noise 0.4 --decay 0.005 --refit --seed 1
