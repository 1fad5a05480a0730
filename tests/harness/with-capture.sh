#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# with-capture.sh DATA COMMAND...: runs it with one more argument, the path of a capture of real traffic, where DATA has one; else without.
set -euo pipefail
zip=$1/westermo/pcap_reduced_right.zip
shift
[ -e "$zip" ] || exec "$@"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("right.pcap", sys.argv[2])' "$zip" "$dir"
"$@" "$dir/right.pcap"
