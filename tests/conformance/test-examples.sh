#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-examples.sh AIKM-COMPILE AIKM-PACKETS SOURCE-ROOT: every model of examples/ is trained, compiled, and the same in the kernel.
set -euo pipefail
compile=$(realpath "$1") packets=$(realpath "$2") source=$(realpath "$3")
for tool in clang bpftool; do
    command -v $tool >/dev/null || [ -x /usr/sbin/$tool ] || { echo "SKIP: $tool is not installed"; exit 77; }
done
for module in sklearn onnx torch; do
    /usr/bin/python3 -c "import $module" 2>/dev/null || { echo "SKIP: needs python3-$module"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$PATH:/usr/sbin AIKM_INCLUDE_DIR=$source PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1

/usr/bin/python3 "$source/tests/harness/make-pcaps.py" "$work/good.pcap" "$work/bad.pcap"
"$packets" --benign "$work/good.pcap" --malicious "$work/bad.pcap" >"$work/rows.csv" 2>"$work/said"
rows=$(($(wc -l <"$work/rows.csv") - 1))
[ "$rows" -gt 10000 ] || { echo "only $rows rows"; exit 1; }

"$source/examples/run.sh" "$compile" "$work/rows.csv" "$work/models" >"$work/out" 2>"$work/err" || {
    ! grep -q 'no right to load BPF programs' "$work/err" || { echo "SKIP: $(cat "$work/err")"; exit 77; }
    cat "$work/out" "$work/err"
    exit 1
}
grep -E '^==|rows$|reference' "$work/out"
failures=0
# has TIMES TEXT
has() {
    [ "$(grep -cF -- "$2" "$work/out")" -ge "$1" ] || { echo "FAIL: not $1 times '$2'"; failures=$((failures + 1)); }
}
has 5 "integer reference = kernel: $rows (100.00 %)"
# A tree and a forest lose nothing; the networks' agreement is what the compiler demands, or it had failed.
has 2 "float engine = integer reference: $rows (100.00 %)"
for name in tree forest mlp darknet pytorch; do
    has 1 "== $name"
    [ -s "$work/models/filter-$name.bpf.o" ] || { echo "FAIL: $name has no object"; failures=$((failures + 1)); }
done
exit $((failures > 0))
