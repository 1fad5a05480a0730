#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-compile.sh AIKM-COMPILE AIKMCTL SOURCE-ROOT: models of scikit-learn through the compiler's command: what it writes, that the kernel
# computes it, that other programs can call it, that it becomes the traffic filter, and what is refused with which words.
set -uo pipefail
compile=$(realpath "$1") aikmctl=$(realpath "$2") source=$(realpath "$3")
models=$source/tests/conformance/fixtures
for tool in clang bpftool python3; do
    command -v $tool >/dev/null || [ -x /usr/sbin/$tool ] || { echo "SKIP: $tool is not installed"; exit 77; }
done
PATH=$PATH:/usr/sbin
# The headers as they lie in the source.
export AIKM_INCLUDE_DIR=$source
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fail() { echo "FAIL $*"; failures=$((failures + 1)); }

# expect STATUS TEXT COMMAND…: exit status, and what it must say.
expect() {
    local status=$1 text=$2 got=0
    shift 2
    "$@" >out 2>err || got=$?
    [ $got = "$status" ] || fail "$*: exit status $got, expected $status: $(head -c 600 err)"
    grep -qF -- "$text" err out || fail "$*: '$(head -c 600 err)' does not say '$text'"
}

# As the models were trained: a port, a length, a flag, and small numbers; with the corners of what a field can be.
python3 - >rows.csv <<'END'
import random
random.seed(7)
print('x0,x1,x2,x3,x4,x5')
for top in (0, 2**32 - 1):
    print(','.join([str(top)] * 6))
for _ in range(1500):
    print(','.join(map(str, (random.randrange(65536), random.randrange(64), random.randrange(2), random.randrange(3), random.randrange(8),
                             random.randrange(3)))))
END

"$compile" verify "$models/tree-binary.onnx" --rows rows.csv >out 2>err ||
    ! grep -q 'no right to load BPF programs' err || { echo "SKIP: $(cat err)"; exit 77; }

# Float engine, integer reference and kernel on every model that the kernel can compute; regressions give numbers.
verified=0
for model in "$models"/*.onnx; do
    name=$(basename "$model" .onnx)
    options=()
    case $name in *value* | linear | forest-targets) options=(--values) ;; esac
    if ! "$compile" verify "$model" --rows rows.csv "${options[@]}" >out 2>err; then
        grep -q 'the kernel cannot compute it\|only lowered where' err || fail "verify $name: $(head -c 600 err)"
        continue
    fi
    grep -q 'integer reference = kernel: 1502 (100.00 %)' out || fail "verify $name: $(cat out)"
    case $name in
    *tree* | *forest* | boosting*)
        grep -q 'float engine = integer reference: 1502 (100.00 %)' out || fail "verify $name: trees are exact, not $(cat out)" ;;
    esac
    verified=$((verified + 1))
done
[ $verified -ge 15 ] || fail "only $verified models were verified"

# darknet's: the network that the daemon comes with, on made-up numbers.
network=$source/models/data/default.cfg
expect 0 'LeakyRelu' "$compile" inspect "$network"
"$compile" inspect "$network" --json >network.json || fail 'inspect --json of a .cfg'
python3 - >network.csv <<'END'
import json, random
random.seed(3)
n = json.load(open('network.json'))['fields']
print(','.join('f%d' % i for i in range(n)))
for _ in range(400):
    print(','.join(str(random.randrange(4)) for i in range(n)))
END
expect 0 'integer reference = kernel: 400 (100.00 %)' "$compile" verify "$network" --rows network.csv --force

# What is written, twice the same.
expect 0 'agreement' "$compile" "$models/mlp.onnx" -o mlp --calibrate rows.csv
mkdir again
expect 0 'precision' "$aikmctl" model compile "$models/mlp.onnx" -o again/mlp --calibrate rows.csv
for end in bpf.c bpf.o skel.h h json; do
    [ -s mlp.$end ] || fail "no mlp.$end"
    [ $end = json ] || cmp -s mlp.$end again/mlp.$end || fail "mlp.$end: two runs differ"
done
python3 - <<'END' || fail "mlp.json: $(cat mlp.json)"
import hashlib, json, os
sheet = json.load(open('mlp.json'))
assert sheet['name'] == 'mlp' and sheet['target'] == 'func', sheet['name']
assert sheet['operators'][:2] == ['Scaler', 'Gemm'], sheet['operators']
assert sheet['precision'] in ('int8', 'int16', 'q16') and sheet['agreement'] >= 0.99
assert [f['name'] for f in sheet['fields']] == ['x%d' % i for i in range(6)]
assert sheet['decision']['kind'] == 'argmax' and len(sheet['decision']['labels']) == 3
assert all(s['range'][0] <= s['range'][1] for s in sheet['steps'])
assert sheet['multiplications'] >= 6 * 8 + 8 * 3
assert sheet['kernel']['verified_instructions'] > 100 and sheet['kernel']['jit_bytes'] > 100
assert sheet['kernel']['ns_per_inference'] > 0
END
expect 0 'mlp' "$compile" inspect mlp.json
expect 0 '"sha256"' "$compile" inspect mlp.json --json
grep -q "$(sha256sum <"$models/mlp.onnx" | cut -d' ' -f1)" mlp.json || fail 'the sheet has another SHA-256'
expect 0 'Gemm' "$compile" inspect "$models/mlp.onnx"
expect 0 '"opset"' "$compile" inspect "$models/mlp.onnx" --json
echo '#include "mlp.h"' >header.c
cc -fsyntax-only -Wall -Werror header.c || fail 'mlp.h'
expect 0 'ns per inference' "$compile" bench "$models/mlp.onnx" --rows rows.csv --runs 1
expect 0 '"ns_above_empty"' "$compile" bench "$models/mlp.onnx" --rows rows.csv --runs 1 --json
expect 0 'int16' "$compile" verify "$models/mlp.onnx" --rows rows.csv --precision int16 --no-kernel

# Another program calls it, and gets what the rows target gives.
expect 0 'func' "$compile" "$models/forest.onnx" -o forest --calibrate rows.csv
expect 0 'rows' "$compile" "$models/forest.onnx" -o forest_rows --name model --target rows --calibrate rows.csv
cat >caller.bpf.c <<'END'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "forest.h"

char LICENSE[] SEC("license") = "GPL";

struct packet {
	struct forest_fields fields;
	__u32 decision;
	struct forest_values values;
	__u32 padding[4];
};

SEC("xdp")
int caller(struct xdp_md *ctx)
{
	struct packet *p = (void *)(long)ctx->data;
	struct forest_fields fields;
	struct forest_values values = {};
	int decision;

	if ((void *)(p + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	fields = p->fields;
	decision = forest(&fields);
	if (forest_outputs(&fields, &values) != decision)
		return XDP_DROP;
	p->decision = decision;
	p->values = values;
	return XDP_PASS;
}
END
include=/usr/include/$(cc -print-multiarch)
clang -O2 -g -target bpf -mcpu=v3 -idirafter "$include" -c caller.bpf.c -o caller.bpf.o || fail 'a caller does not compile'
bpftool gen object linked.bpf.o caller.bpf.o forest.bpf.o || fail 'a caller cannot be linked'
cat >packets.py <<'END'
import struct, sys
for i, line in enumerate(open('rows.csv').read().split()[1:41]):
    fields = [int(x) for x in line.split(',')]
    open(f'packet.{i}', 'wb').write(struct.pack('<6I', *fields) + bytes(4 + 4 * int(sys.argv[1]) + 16))
END
outputs=$(python3 -c 'import json; print(json.load(open("forest.json"))["decision"]["outputs"])')
python3 packets.py "$outputs"
cat >in-kernel.sh <<'END'
set -e
mount -t bpf bpf /mnt
bpftool prog load linked.bpf.o /mnt/caller type xdp
bpftool prog loadall forest_rows.bpf.o /mnt/rows type xdp
for i in $(seq 0 39); do
    bpftool prog run pinned /mnt/caller data_in packet.$i data_out called.$i >run.log
    grep -q 'Return value: 2' run.log
    bpftool prog run pinned /mnt/rows/model_rows data_in packet.$i data_out rowed.$i >run.log
    grep -q 'Return value: 2' run.log
    cmp called.$i rowed.$i
done
END
unshare -m bash in-kernel.sh >log 2>&1 || fail "a caller in the kernel: $(tail -n 20 log)"
[ "$(cat called.* | sort -u | wc -c)" -gt 100 ] || fail 'the caller gave nothing'

# The traffic filter with a model in it.
cat >spec.json <<'END'
{ "name": "tiny", "target": "xdp",
  "fields": [ "source_port", "ip_length", "tcp_syn", { "name": "flow_packets", "high": 100 }, "source_syns", "protocol" ] }
END
sed '1s/.*/source_port,ip_length,tcp_syn,flow_packets,source_syns,protocol/' rows.csv >packets.csv
expect 0 'xdp' "$compile" "$models/mlp.onnx" -o tiny --features spec.json --calibrate packets.csv
python3 -c 'import json; f = json.load(open("tiny.json"))["fields"]; assert f[3]["packet_field"] == "FLOW_PACKETS" and f[3]["high"] <= 100, f' || fail 'tiny.json'
expect 0 'tc' "$compile" "$models/tree.onnx" -o tiny_tc --features spec.json --target tc --calibrate packets.csv
# Rows that no packet has: what spoils the agreement is named.
sed 's/"source_port"/"tcp_ack"/' spec.json >odd.json
sed '1s/source_port/tcp_ack/; 2d' packets.csv >odd.csv
expect 1 'tcp_ack is 4294967295, of a packet it is at most 1' "$compile" "$models/mlp.onnx" -o no --features odd.json --calibrate odd.csv --agreement 1
unshare -m bash -c 'mount -t bpf bpf /mnt && bpftool prog loadall tiny.bpf.o /mnt/xdp type xdp && bpftool prog loadall tiny_tc.bpf.o /mnt/tc type classifier' \
    >log 2>&1 || fail "the filter in the kernel: $(tail -n 20 log)"

# Weights in a file beside the model, as PyTorch's newer exporter leaves them: the same program, and the sheet knows both files.
if /usr/bin/python3 -c 'import onnx' 2>/dev/null; then
    mkdir beside
    /usr/bin/python3 -c 'import onnx, sys
onnx.save_model(onnx.load(sys.argv[1]), "beside/mlp.onnx", save_as_external_data=True, location="mlp.onnx.data", size_threshold=0)' "$models/mlp.onnx"
    expect 0 'affine' "$compile" "$models/mlp.onnx" -o one --name mlp --calibrate rows.csv --no-kernel
    expect 0 'affine' "$compile" beside/mlp.onnx -o two --name mlp --calibrate rows.csv --no-kernel
    cmp one.bpf.c two.bpf.c || fail 'weights beside the model make another program'
    grep -q "\"weights_sha256\": *\"$(sha256sum <beside/mlp.onnx.data | cut -d ' ' -f 1)\"" two.json || fail 'two.json does not name mlp.onnx.data'
    truncate -s -4 beside/mlp.onnx.data
    expect 1 "of 'mlp.onnx.data', which has" "$compile" beside/mlp.onnx -o no --calibrate rows.csv
    rm beside/mlp.onnx.data
    expect 1 'beside/mlp.onnx.data: No such file' "$compile" beside/mlp.onnx -o no --calibrate rows.csv
fi

# Refused, by name, and nothing is written.
list() { find . -maxdepth 1 -name 'no*' | sort; }
echo 'x0,x1' >narrow.csv && echo '1,2' >>narrow.csv
sed '3s/^[0-9]*/x/' rows.csv >bad.csv
expect 1 'bad.csv:3: x0' "$compile" "$models/mlp.onnx" -o no --calibrate bad.csv
expect 1 'narrow.csv: 2 columns, but the model takes 6' "$compile" "$models/mlp.onnx" -o no --calibrate narrow.csv
expect 1 'calibration' "$compile" "$models/mlp.onnx" -o no
expect 1 'gone.onnx: No such file' "$compile" gone.onnx -o no
expect 1 'rows.csv: ' "$compile" rows.csv -o no
expect 1 'weights go with a darknet .cfg' "$compile" "$models/mlp.onnx" --weights rows.csv -o no
expect 1 'C identifier' "$compile" "$models/tree.onnx" -o no --name int
expect 1 'C identifier' "$compile" "$models/tree.onnx" -o no --name 1st
expect 1 'target xdp reads packets' "$compile" "$models/tree-binary.onnx" -o no --target xdp --calibrate rows.csv
expect 1 'the model takes 6 inputs' "$compile" "$models/tree.onnx" -o no --features <(echo '{"name": "a", "fields": ["tcp_syn"]}')
expect 1 "there is no field 'nothing'" "$compile" "$models/tree.onnx" -o no --features <(echo '{"name": "a", "fields": ["nothing"]}')
expect 1 'fewer than 1000' "$compile" bench "$models/tree.onnx" --rows <(head -n 500 rows.csv)
cp spec.json kept.json
expect 1 'kept.json is an input and would be overwritten' "$compile" "$models/mlp.onnx" -o kept --features kept.json --calibrate packets.csv
cmp spec.json kept.json || fail 'the features were overwritten'
expect 2 'needs -o OUT' "$compile" "$models/mlp.onnx"
expect 2 'none of auto' "$compile" "$models/mlp.onnx" -o no --precision int9
AIKM_CLANG=/nonexistent expect 1 '/nonexistent is not installed: compiling needs the packages clang, bpftool and libbpf-dev' \
    "$compile" "$models/tree.onnx" -o no --calibrate rows.csv
AIKM_BPFTOOL=/nonexistent expect 1 '/nonexistent is not installed' "$compile" "$models/tree.onnx" -o no --calibrate rows.csv
AIKM_CLANG=false expect 1 'false failed with status 1' "$compile" "$models/tree.onnx" -o no --calibrate rows.csv
AIKM_COMPILE=/nonexistent expect 1 'aikm-compile is not found beside aikmctl' "$aikmctl" model compile --help
expect 1 'names no file' "$compile" "$models/tree.onnx" -o ./ --calibrate rows.csv
[ ! -e .json ] && [ ! -e .bpf.o ] || fail "-o ./ wrote hidden files"
mkdir taken.json
expect 1 'taken.json is a folder' "$compile" "$models/tree.onnx" -o taken --calibrate rows.csv --no-kernel
[ ! -e taken.bpf.o ] || fail 'taken.bpf.o was written beside a folder'
[ -z "$(list)" ] || fail "something was written: $(list)"
# A full disk: what was there stays, and nothing is half there.
mkdir small
cat >full-disk.sh <<'END'
mount -t tmpfs -o size=48k none small || exit 77
echo old >small/no.bpf.c
"$1" "$2" -o small/no --calibrate rows.csv --no-kernel
[ $? = 1 ] && [ "$(ls -A small)" = no.bpf.c ] && [ "$(cat small/no.bpf.c)" = old ] || { ls -lA small; exit 1; }
END
expect 0 'No space left on device' unshare -m bash full-disk.sh "$compile" "$models/forest.onnx"
# Stopped while clang runs: it ends as signals end programs, and its folder goes.
stopped=stopped/in-a-folder-of-a-name-that-is-longer-than-most
mkdir -p $stopped
printf '#!/bin/sh\ntouch %s/running\nexec sleep 60\n' "$work" >slow-clang && chmod +x slow-clang
TMPDIR=$work/$stopped AIKM_CLANG=$work/slow-clang "$compile" "$models/tree.onnx" -o no --calibrate rows.csv >out 2>err &
for _ in $(seq 200); do [ -e running ] && break; sleep 0.05; done
kill -TERM $!
pkill -TERM -P $! # as a terminal does to all
got=0
wait $! || got=$?
[ $got = 143 ] || fail "stopped: exit status $got"
[ -e running ] && [ -z "$(ls -A $stopped)" ] && [ -z "$(list)" ] || fail "stopped: $(ls -A $stopped) $(list) is left"
[ -z "$(find /tmp -maxdepth 1 -name 'aikm-compile.*' -newer rows.csv -user "$(id -u)" 2>/dev/null)" ] || echo "a folder of a build is left, or another one runs"
expect 0 'aikm-compile MODEL -o OUT' "$compile" --help
expect 0 'aikm-compile ' "$compile" --version
[ $failures = 0 ] && echo "$verified models verified; written, called, filtered, refused: fine"
