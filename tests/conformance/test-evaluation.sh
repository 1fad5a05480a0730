#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# test-evaluation.sh AIKM-DARKNET MANIFEST TEST-ROWS.xz SPLIT: the shipped model and the rules on programs that training never saw.
# Prints both, and fails unless the network is better.
set -e
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
xz -dc "$3" >"$rows"
"$1" evaluate --manifest "$2" --rows "$rows" --split "$4" --require-better
