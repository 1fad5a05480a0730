#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# pytorch-page.sh SOURCE-ROOT AIKMD AIKMCTL AIKM-COMPILE AIKM-PACKETS: docs/pytorch-to-kernel.md's commands, as they stand there, in a
# network of their own.
set -euo pipefail
source=$1
programs=()
for program in "${@:2}"; do programs+=("$(realpath "$program")"); done
[ "$(id -u)" = 0 ] || { echo "SKIP: needs root"; exit 77; }
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "SKIP: needs python3-torch"; exit 77; }
for tool in clang bpftool; do
    command -v $tool >/dev/null || [ -x /usr/sbin/$tool ] || { echo "SKIP: needs $tool"; exit 77; }
done
if [ -z "${PAGE_NAMESPACE:-}" ]; then
    PAGE_NAMESPACE=1 exec unshare -n -m -- "$0" "$source" "${programs[@]}"
fi
. "$source/tests/harness/private-bus.sh"
ip link set lo up
mount -t bpf none /sys/fs/bpf

page=$source/docs/pytorch-to-kernel.md
mapfile -t commands < <(sed -n '/^```sh$/,/^```$/{/^```/!p}' "$page")
[ ${#commands[@]} = 5 ] || { echo "the page has ${#commands[@]} commands, not five"; exit 1; }

mkdir "$work/bin" "$work/here"
for program in "${programs[@]:1}"; do ln -s "$program" "$work/bin/"; done
export PATH=$work/bin:$PATH AIKM_INCLUDE_DIR=$source PYTHONDONTWRITEBYTECODE=1
ln -s "$source/examples" "$work/here/examples"
cd "$work/here"
/usr/bin/python3 "$source/tests/harness/make-pcaps.py" good.pcap bad.pcap

bus_start
daemon_start "${programs[0]}" --config-dir="$work/none" --model=rules
for command in "${commands[@]}"; do
    echo "+ $command"
    bash -ec "$command" || { echo "FAIL: $command"; cat "$work/log"; exit 1; }
done

# What came of it: a network that learned something, and a filter that counts and drops nothing.
for _ in 1 2 3; do echo >/dev/udp/127.0.0.1/9; done
aikmctl filter status --json >status
cat status
/usr/bin/python3 - <<'PYTHON'
import json
row, = json.load(open('status'))
assert (row['interface'], row['mode'], row['dropped']) == ('lo', 'shadow', 0), row
assert row['packets'] >= 3 and row['benign'] + row['malicious'] >= 3, row
PYTHON
aikmctl filter detach lo
daemon_stop
