#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh SOURCE-ROOT BUILD-ROOT GUEST SCRIPT: runs tests/vm/SCRIPT as root in a copy of GUEST, or with GUEST@aikmd in one with the
# Debian packages installed. It starts in /payload: this folder, README.md, the helper programs, debs/ and debian-tests/.
# What it leaves in /results, and after a failure the journal and the console, go to BUILD-ROOT/vm-results.
set -euo pipefail
source=$1 build=$2 guest=$3 script=$4
vm=$source/scripts/vm.sh
for tool in qemu-system-x86_64 mmdebstrap mke2fs depmod zstd lz4 setpriv dpkg-buildpackage; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: building guests needs root"; exit 77; }

work=$(mktemp -d "${TMPDIR:-/tmp}/aikmd-vm-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$source/scripts/package.sh" "$build/debs"
mkdir "$work/install" "$work/payload" "$work/payload/debs"
cp "$build"/debs/aikm{d,ctl}_*.deb "$work/install"
case $guest in
*@aikmd)
    "$vm" derive -d "$work/install" "${guest%@*}" aikmd -- sh -c 'DEBIAN_FRONTEND=noninteractive dpkg -i ./*.deb >log 2>&1 || { cat log; exit 1; }' ;;
esac
cp "$work"/install/*.deb "$build"/debs/aikm-record_*.deb "$work/payload/debs"
cp -r "$source/debian/tests" "$work/payload/debian-tests"
cp "$source"/tests/vm/*.sh "$source/README.md" "$work/payload"
cp "$build/tests/vm/load" "$build/tests/vm/unit-tool" "$build/tests/harness/bus-fuzz" "$work/payload"
# Models for the traffic filter; a build without BPF has none.
cp "$build"/tests/harness/filter/filter-always-[01].bpf.o "$work/payload" 2>/dev/null || :
# A unit test that this machine may have to skip, with the library that guests lack.
cp "$build/tests/unit/daemon/test-cgroup-v2" "$work/payload"
ldd "$build/tests/unit/daemon/test-cgroup-v2" | awk '/libcmocka/ {print $3}' | xargs cp -t "$work/payload"
# Models as objects: guests have no compiler.
if [ "$script" = model.sh ]; then
    cp "$build/tests/conformance/test-kernel-model" "$work/payload"
    mkdir "$work/payload/models"
    "$work/payload/test-kernel-model" make "$work/payload/models" >"$work/made" || { cat "$work/made"; exit 1; }
    rm "$work/payload/models"/*.bpf.c "$work/payload/models"/*.unlinked.o
fi

results=$build/vm-results/$guest-${script%.sh}
told() { [ ! -s "$results/journal.txt" ] || { echo "the journal ends with:"; tail -n 40 "$results/journal.txt"; }; }
# Emulated on several threads, a CPU may run half of what another patches into the kernel's code, and a second of the guest's clock is
# sometimes hardly long enough for one command: what fails is tried once more, and tests/harness/summary.py tells which did.
for attempt in 1 2; do
    rm -rf "$results"
    status=0
    "$vm" run -d "$work/payload" -o "$results" -t "${AIKM_VM_LIMIT:-1500}" "$guest" -- bash "$script" || status=$?
    # 77 is the script's own reason not to run.
    if [ $status = 0 ] || [ $status = 77 ]; then break; fi
    told
    [ $attempt = 2 ] || echo "UNSTABLE $script on $guest: failed with status $status, once more"
done
exit "$status"
