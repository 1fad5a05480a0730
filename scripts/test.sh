#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what is needed, builds, and runs every test: plain, under ASan and UBSan, under valgrind, and in virtual machines. Ends with
# 'N passed, N failed, N skipped'. Skips print their reason; one that tests/check/allowed-skips does not name is a failure.
#   --quick   the plain build and its tests only
set -euo pipefail
cd "$(dirname "$0")/.."
quick=
[ "${1:-}" != --quick ] || quick=1

scripts/deps.sh --test
export AIKM_MODEL_DIR=$PWD/models/data
status=0
logs=()

setup() { # directory, meson options
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" >"$dir.log" 2>&1 || { cat "$dir.log" >&2; exit 1; }
    rm -f "$dir.log"
    ninja -C "$dir" >"$dir/build.log" || { tail -n 40 "$dir/build.log" >&2; exit 1; }
    tail -n 1 "$dir/build.log"
}
run() { # directory, log name, meson test options
    local dir=$1 name=$2
    shift 2
    rm -f "$dir/meson-logs/$name"*.json
    meson test -C "$dir" --no-rebuild --print-errorlogs --logbase "$name" "$@" || status=1
    # meson appends the name of a wrapper to that of the log.
    logs+=("$name:$(echo "$dir/meson-logs/$name"*.json)")
}

echo "== Build and all tests"
setup build-test --buildtype=debugoptimized --werror
run build-test plain --no-suite bench --no-suite analysis --no-suite package --no-suite vm
if [ -z "$quick" ]; then
    echo "== The same sources under AddressSanitizer and UndefinedBehaviorSanitizer"
    setup build-asan --buildtype=debugoptimized --werror -Db_sanitize=address,undefined -Db_lundef=false
    run build-asan sanitized --suite unit --suite bus --suite cli --timeout-multiplier 4
    echo "== Pure logic under valgrind"
    run build-test valgrind --suite unit --timeout-multiplier 20 --wrapper 'valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --child-silent-after-fork=yes'
    echo "== Debian packages"
    run build-test package --suite package
    echo "== Real systemd, in virtual machines"
    if scripts/vm.sh build debian12 debian12-6.1 debian13; then
        # Much of a test is waiting: two at a time, also where there are no more CPUs than one of them uses.
        run build-test vm --suite vm --num-processes 2
    else
        status=1
    fi
    echo "== Static analysis"
    run build-test analysis --suite analysis --timeout-multiplier 3
    echo "== Benchmarks (printed, not judged)"
    tests/bench/run.sh build-test || status=1
fi
python3 tests/harness/summary.py tests/check/allowed-skips "${logs[@]}" || status=1
exit $status
