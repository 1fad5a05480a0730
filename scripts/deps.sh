#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what building and running (and with --test, testing) needs on Debian 12 or 13. Does nothing where all of it is there.
set -euo pipefail

# Needed to build and run.
build=(gcc clang llvm bpftool meson ninja-build pkg-config scdoc
    libsqlite3-dev libbpf-dev libelf-dev libsystemd-dev libcgroup-dev libjson-c-dev libmd-dev libncurses-dev libcmocka-dev
    libonnx-dev libprotobuf-c-dev protobuf-c-compiler
    dbus dbus-bin procps)
# Wanted, but a release may lack it: the trainer is then not built.
optional=(darknet)
# Needed by the tests and benchmarks alone.
test=(clang-format clang-tidy cppcheck valgrind mandoc util-linux iproute2 rt-tests stress-ng xz-utils python3 python3-sklearn python3-onnx
    sqlite3 python3-pandas dash libonnx-testdata python3-torch
    build-essential debhelper lintian git systemd groff-base
    qemu-system-x86 qemu-utils mmdebstrap debian-archive-keyring e2fsprogs kmod zstd lz4)

want=("${build[@]}" "${optional[@]}")
[ "${1:-}" != --test ] || want+=("${test[@]}")

missing=()
for package in "${want[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -x installed >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "deps.sh: to install ${missing[*]}, run this as root" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing: ${missing[*]}" >&2
apt-get -qq update
for package in "${optional[@]}"; do
    if [ -z "$(apt-cache madison "$package" 2>/dev/null)" ]; then
        echo "deps.sh: this release has no package $package; going on without it" >&2
        kept=()
        for m in "${missing[@]}"; do [ "$m" = "$package" ] || kept+=("$m"); done
        missing=("${kept[@]}")
    fi
done
[ ${#missing[@]} -eq 0 ] || apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
