#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-training.sh AIKM-DARKNET SYNTHETIC-ROWS: training is deterministic, and bad input is named, does no harm and leaves no files.
set -uo pipefail
darknet=$(realpath "$1") synthetic=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0
fail() { echo "FAIL $*"; failures=$((failures + 1)); }

"$synthetic" 1800 7 >rows.csv
cat >split.json <<'S'
{"train": ["idle-0", "interactive-0", "server-0", "batch-0", "io-0", "memory-0"],
 "validation": ["idle-1", "interactive-1", "server-1", "batch-1", "io-1", "memory-1"],
 "test": ["idle-2", "interactive-2", "server-2", "batch-2", "io-2", "memory-2"]}
S
mkdir a b c
train() { "$darknet" train --rows rows.csv --split split.json --batches 60 -o "$@" 2>log; }
train a --seed 5 || fail "training: $(tail -n 1 log)"
train b --seed 5 || fail "training again: $(tail -n 1 log)"
train c --seed 6 || fail "training with another seed: $(tail -n 1 log)"
for file in model.cfg model.weights model.validation.csv model.json; do
    cmp -s a/$file b/$file || fail "$file differs between two trainings with one seed"
done
cmp -s a/model.weights c/model.weights && fail 'another seed gives the same weights'
grep -q '"macro_f1":' a/model.json && grep -qF '"file":"model.validation.csv"' a/model.json || fail 'no validation rows in the manifest'
grep -q '^epoch 6.4 of 6.4, loss .*, validation macro-F1 ' log || fail "progress: $(cat log)"
# Of the programs that validated, and of no other
[ "$(sed 1d a/model.validation.csv | cut -d, -f1 | sort -u | tr '\n' ' ')" = 'batch-1 idle-1 interactive-1 io-1 memory-1 server-1 ' ] ||
    fail "validation rows of $(sed 1d a/model.validation.csv | cut -d, -f1 | sort -u)"
# More rows than a daemon takes: of every program that validated as many as of any other
mkdir g
"$synthetic" 54000 7 >many.csv
"$darknet" train --rows many.csv --split split.json --batches 20 -o g 2>log || fail "many rows: $(tail -n 1 log)"
[ "$(sed 1d g/model.validation.csv | cut -d, -f1 | sort | uniq -c | awk '{ print $1 }' | tr '\n' ' ')" = '833 833 833 833 833 833 ' ] ||
    fail "validation rows: $(sed 1d g/model.validation.csv | cut -d, -f1 | sort | uniq -c)"
# Without a split file; epochs; stopping early; progress for programs
mkdir d e f
auto() { "$darknet" train --rows rows.csv --epochs 40 --patience 3 --progress json --seed 5 -o "$@" 2>log; }
auto d >d.jsonl || fail "training without a split: $(tail -n 1 log)"
auto e >e.jsonl || fail "the same again: $(tail -n 1 log)"
cmp -s d/model.weights e/model.weights || fail 'two trainings without a split differ'
tail -n 1 d.jsonl | grep '"stopped": true' >/dev/null || fail "did not stop early: $(tail -n 1 d.jsonl)"
grep -q '"stopped_early":true' d/model.json || fail 'the manifest does not say that it stopped'
python3 -c 'import json, sys
rows = [json.loads(line) for line in open("d.jsonl")]
assert all({"epoch", "epochs", "loss", "macro_f1", "seconds_left"} <= set(r) for r in rows)
assert [r["batch"] for r in rows] == sorted(r["batch"] for r in rows) and abs(rows[0]["epochs"] - 40) < 1, rows[0]' ||
    fail 'the progress in JSON'
"$darknet" train --rows rows.csv --from d/model.json --name tuned --epochs 1 --seed 5 -o f 2>log || fail "from a model: $(tail -n 1 log)"
grep -qF '"from":"model"' f/tuned.json || fail 'the manifest does not say what it went on from'
# What judged the model before judges the tuned one too, and own rows of those programs do not teach.
[ "$(sed 1d f/tuned.validation.csv | cut -d, -f1 | sort -u)" = "$( (sed 1d d/model.validation.csv; sed 1d f/tuned.validation.csv) | cut -d, -f1 | sort -u)" ] ||
    fail 'the rows that judged the model do not judge the tuned one'
grep -E '^program|^(batch|io)-' rows.csv | sed 's/-\([012]\),/-own\1,/' >own.csv
"$darknet" train --rows own.csv --from d/model.json --name own --epochs 1 -o f 2>log || fail "from rows of two classes: $(tail -n 1 log)"
head -c 500 d/model.weights >f/cut.weights
sed 's/"model.weights"/"cut.weights"/' d/model.json >f/cut.json
cp d/model.cfg f
train b --seed 5 --refit || fail "refit: $(tail -n 1 log)"
cmp -s a/model.weights b/model.weights && fail 'refit changes nothing'
train b --seed 5 --members 3 --hidden 8,5 --refit || fail "a committee: $(tail -n 1 log)"
grep -q '^output=24$' b/model.cfg && grep -q '^output=15$' b/model.cfg || fail 'three networks of 8,5 are not one of 24,15'
grep -q '"temperature"' b/model.json || fail 'the manifest does not say at which temperature'
train c --seed 5 --members 3 --hidden 8,5 --refit || fail "a committee again: $(tail -n 1 log)"
cmp -s b/model.weights c/model.weights || fail 'a committee differs between two trainings with one seed'
"$darknet" evaluate --manifest b/model.json --rows rows.csv --split split.json --require-better >/dev/null 2>log ||
    fail "evaluate a committee: $(tail -n 1 log)"
"$darknet" evaluate --manifest a/model.json --rows rows.csv --split split.json --require-better >out 2>log ||
    fail "evaluate: $(tail -n 1 log)"
head -n 3 out

# expect STATUS TEXT COMMAND…: exit status, and what the one line on stderr must say.
expect() {
    local status=$1 text=$2 got=0
    shift 2
    "$@" >out 2>log || got=$?
    [ $got = "$status" ] || fail "$*: exit status $got, expected $status: $(cat log)"
    grep -qF -- "$text" log || fail "$*: '$(cat log)' does not say '$text'"
}
variant() { sed "$2" rows.csv >"$1"; }
variant nan.csv '3s/,[^,]*$/,nan/'
variant class.csv '4s/^\([^,]*,[^,]*,[^,]*,[^,]*\),[a-z]*,/\1,disk,/'
variant columns.csv '1s/,cpu,/,cpus,/'
variant short.csv '5s/,[^,]*$//'
sed 1q rows.csv >header.csv
: >empty.csv
sed '/"idle-0"/s/"idle-0", //' split.json >missing.json
sed 's/"idle-0", /"idle-0", "idle-1", /' split.json >twice.json
echo '{' >broken.json
grep -v ',server,' rows.csv >noserver.csv
mkdir none
go() { "$darknet" train --rows "$1" --split "$2" -o none --batches 10 "${@:3}"; }
expect 1 'gone.csv: No such file' go gone.csv split.json
expect 1 'nan.csv:3: ' go nan.csv split.json
expect 1 "class.csv:4: unknown class 'disk'" go class.csv split.json
expect 1 "columns.csv:1: column" go columns.csv split.json
expect 1 'short.csv:5: ' go short.csv split.json
expect 1 'header.csv: no rows' go header.csv split.json
expect 1 'empty.csv: empty' go empty.csv split.json
expect 1 "program 'idle-0' has rows but is in none" go rows.csv missing.json
expect 1 "program 'idle-1' is in 'train' and in 'validation'" go rows.csv twice.json
expect 1 'broken.json:' go rows.csv broken.json
expect 1 'no rows of class server' go noserver.csv split.json
expect 1 'gone: No such file' "$darknet" train --rows rows.csv --split split.json -o gone --batches 10
expect 2 "--batches: 'many' is not a whole number" go rows.csv split.json --batches many
expect 2 "--hidden: '0'" go rows.csv split.json --hidden 0
expect 2 "--members: '0' is not" go rows.csv split.json --members 0
expect 2 'with neither' go rows.csv split.json --members 2 --cfg a/model.cfg
expect 2 'are wider than' go rows.csv split.json --members 16 --hidden 400
expect 2 "--noise: '-1'" go rows.csv split.json --noise -1
expect 2 "--name: '../x'" go rows.csv split.json --name ../x
expect 2 'unknown option' go rows.csv split.json --frobnicate
expect 2 'needs --rows' "$darknet" train
expect 2 'not both' go rows.csv split.json --epochs 3
expect 2 "--epochs: '0'" "$darknet" train --rows rows.csv -o none --epochs 0
expect 2 "--progress: 'loud'" go rows.csv split.json --progress loud
expect 1 'cut.weights' "$darknet" train --rows rows.csv --from f/cut.json -o none
grep -v '^server-[12],' rows.csv >oneserver.csv
expect 1 'class server has rows of 1 program:' "$darknet" train --rows oneserver.csv -o none
expect 2 "unknown verb 'learn'" "$darknet" learn

cfg() { printf '%s\n' "$@" >bad.cfg; }
inputs=$(grep ^inputs= a/model.cfg)
cfg '[net]' "$inputs" batch=2147483647 '[connected]' output=6 '[softmax]'
expect 1 batch go rows.csv split.json --cfg bad.cfg
cfg '[net]' "$inputs" batch=64 '[connected]' output=2000000000 '[softmax]'
expect 1 output go rows.csv split.json --cfg bad.cfg
cfg '[net]' inputs=3 batch=64 max_batches=9 '[connected]' output=6 '[softmax]'
expect 1 '3 inputs and 6 outputs' go rows.csv split.json --cfg bad.cfg
cfg '[net]' "$inputs" batch=64 subdivisions=8 '[connected]' output=6 '[softmax]'
expect 1 subdivisions go rows.csv split.json --cfg bad.cfg
cfg '[convolutional]' size=3
expect 1 '' go rows.csv split.json --cfg bad.cfg
cfg '[net]' "$inputs" batch=64 learning_rate=100000 momentum=0.9 '[connected]' output=64 activation=relu '[connected]' output=64 \
    activation=relu '[connected]' output=6 activation=linear '[softmax]'
expect 1 '' go rows.csv split.json --cfg bad.cfg
[ -z "$(ls none)" ] || fail "a failed training left files: $(ls none)"

predict() { "$darknet" predict --rows rows.csv --cfg a/model.cfg --weights "$1"; }
head -c 500 a/model.weights >cut.weights
{ cat a/model.weights; printf x; } >long.weights
{ head -c 200 a/model.weights; printf '\xff\xff\xff\x7f'; tail -c +205 a/model.weights; } >nan.weights
expect 1 '' predict cut.weights
expect 1 '' predict long.weights
expect 1 '' predict nan.weights
expect 1 'gone.weights: No such file' predict gone.weights
cp a/model.weights a/kept && printf x >>a/model.weights
expect 1 '' "$darknet" predict --rows rows.csv --manifest a/model.json
expect 1 '' "$darknet" evaluate --rows rows.csv --manifest a/model.json --split split.json
mv a/kept a/model.weights
expect 2 'needs --rows' "$darknet" predict --rows rows.csv
expect 2 'needs --rows' "$darknet" evaluate --rows rows.csv --split split.json
expect 2 "--side: 'exam'" "$darknet" evaluate --rows rows.csv --split split.json --model rules --side exam
expect 2 'needs RECORDING' "$darknet" rows
echo 'no recording at all' >recording
echo '{"runs": []}' >labels.json
expect 1 recording "$darknet" rows recording --labels labels.json -o none/rows.csv
expect 1 'gone.json: No such file' "$darknet" rows recording --labels gone.json -o none/rows.csv
echo "$failures failures"
[ $failures = 0 ]
