#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-model-compile.sh AIKMCTL AIKM-COMPILE SOURCE-ROOT: `aikmctl model compile` is aikm-compile: the same words in, the same words and
# status out, and told clearly where it is not there. No daemon, no bus, no clang is needed for any of it.
set -uo pipefail
aikmctl=$(realpath "$1") compile=$(realpath "$2") models=$(realpath "$3")/tests/conformance/fixtures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset AIKM_COMPILE
export AIKM_BUS_ADDRESS=unix:path=/nonexistent
failures=0
fail() { echo "FAIL $*"; failures=$((failures + 1)); }

# same STATUS WORD…: through aikmctl as by itself.
same() {
    local status=$1 a=0 b=0
    shift
    "$compile" "$@" >out.a 2>err.a || a=$?
    "$aikmctl" model compile "$@" >out.b 2>err.b || b=$?
    [ $a = "$status" ] || fail "aikm-compile $*: exit status $a, expected $status: $(head -c 400 err.a)"
    [ $b = "$status" ] || fail "aikmctl model compile $*: exit status $b, expected $status: $(head -c 400 err.b)"
    cmp -s out.a out.b || fail "$*: '$(head -c 400 out.b)', not '$(head -c 400 out.a)'"
    # Both begin with the program's name, which is its path.
    cmp -s <(sed 's/^[^ ]*: //' err.a) <(sed 's/^[^ ]*: //' err.b) || fail "$*: '$(head -c 400 err.b)', not '$(head -c 400 err.a)'"
    [ -s out.a ] || [ -s err.a ] || fail "$*: said nothing"
}

# told STATUS TEXT COMMAND…
told() {
    local status=$1 text=$2 got=0
    shift 2
    "$@" >out 2>err || got=$?
    [ $got = "$status" ] || fail "$*: exit status $got, expected $status: $(head -c 400 err)"
    grep -qF -- "$text" err out || fail "$*: '$(head -c 400 err)' does not say '$text'"
}

{ echo 'x0,x1,x2,x3,x4,x5' && for i in $(seq 200); do echo "$((i * 331 % 65536)),$((i % 256)),$((i % 2)),$((i % 3)),$((i % 8)),$((i % 5))"; done; } >rows.csv
same 0 --help
same 0 --version
same 0 inspect "$models/mlp.onnx"
same 0 inspect "$models/mlp.onnx" --json
same 0 verify "$models/tree.onnx" --rows rows.csv --no-kernel
same 0 verify "$models/mlp.onnx" --rows rows.csv --no-kernel --precision=q16 --name 'with_a_name'
same 1 inspect 'a file with blanks.onnx'
same 1 "$models/mlp.onnx" -o no
same 2 "$models/mlp.onnx"
same 2 "$models/mlp.onnx" -o no --precision int9
same 2

# aikmctl's own --json, before the verb, is passed on.
"$compile" inspect "$models/tree.onnx" --json >wanted
"$aikmctl" --json model compile inspect "$models/tree.onnx" >got || fail '--json before the verb'
cmp -s wanted got || fail '--json before the verb gives something else'

# Words arrive as they were.
cat >words <<'END2'
#!/bin/sh
printf '<%s>' "$@"
exit 7
END2
chmod +x words
AIKM_COMPILE=$work/words told 7 '<a model.onnx><-o><*><--name=><>' "$aikmctl" model compile 'a model.onnx' -o '*' --name= ''

told 1 'aikm-compile is not found beside aikmctl' env AIKM_COMPILE=/nonexistent "$aikmctl" model compile --help
cp "$aikmctl" alone
told 1 'the package aikm-compile has it' ./alone model compile --help
told 2 'works on this machine alone' "$aikmctl" -H somewhere model compile --help
[ -z "$(find . -name 'no*')" ] || fail 'something was written'
[ $failures = 0 ] && echo 'model compile is aikm-compile'
