#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-filter.sh TEST-FILTER OBJECT-FOLDER DATA: the kernel's filter against its twin, on a real capture.
set -euo pipefail
zip=$3/westermo/pcap_reduced_right.zip
[ -e "$zip" ] || { echo "SKIP: $zip is not here: the capture that is held against"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("right.pcap", sys.argv[2])' "$zip" "$dir"
"$1" "$2" "$dir/right.pcap"
