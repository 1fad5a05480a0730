#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# train.sh AIKM-PACKETS DATA [FOLDER]: the traffic filter's model again, from DATA/netpkt, into FOLDER (default: where it is shipped from).
# The same packets and the same scikit-learn give the same bytes.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in "$2"/netpkt/packets_*.csv.xz; do
    xz -dc "$file" >"$work/$(basename "$file" .xz)"
done
"$here/make_traffic.py" >"$work/packets_made.csv"
"$1" "$work"/packets_*.csv >"$work/rows"
/usr/bin/python3 "$here/filter_model.py" train "$work/rows" -o "${3:-$here}"
