#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# package.sh SOURCE-ROOT OUTDIR: the Debian packages are built from a copy of the sources, and lintian has nothing to say against them.
set -euo pipefail
for tool in dpkg-buildpackage dh lintian git; do
    command -v $tool >/dev/null || { echo "$tool is not installed"; exit 77; }
done
out=$2
"$1/scripts/package.sh" "$out"
lintian --profile debian --fail-on error,warning --tag-display-limit 0 --allow-root "$out"/*.changes
# The client pulls in neither the daemon nor what the daemon needs, and the daemon not darknet.
depends() { dpkg-deb -f "$out/$1"_*.deb Depends Recommends; }
bad=0
! depends aikmctl "$2" | grep -E 'aikmd|libbpf|libcgroup|darknet|clang' || { echo "aikmctl depends on what only others need"; bad=1; }
! depends aikmd "$2" | grep darknet || { echo "aikmd depends on darknet"; bad=1; }
# Built twice they are the same, wherever that is.
for deb in "$out"/*.deb; do
    ! dpkg-deb --fsys-tarfile "$deb" | grep -aF "$out/" >/dev/null || { echo "$(basename "$deb") names the folder that it was built in"; bad=1; }
done
[ $bad = 0 ] && echo "$(echo "$out"/*.deb | wc -w) packages: fine"
