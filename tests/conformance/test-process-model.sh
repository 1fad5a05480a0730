#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-process-model.sh AIKM-DARKNET SOURCE-ROOT: a forest of scikit-learn that some rows of the shipped set teach, exported, with a
# manifest of models/export/manifest.py, is a model for aikmd, as good on its validation rows as scikit-learn says.
set -euo pipefail
for module in sklearn onnx; do
    /usr/bin/python3 -c "import $module" 2>/dev/null || { echo "SKIP: needs python3-$module"; exit 77; }
done
export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
xz -dc "$2/models/data/rows.csv.xz" >"$work/rows.csv"
PYTHONPATH=$2/models/export /usr/bin/python3 -W ignore - "$work" <<'END'
import csv
import sys
from collections import Counter, defaultdict
import numpy as np
import onnx
from sklearn.ensemble import RandomForestClassifier
import sklearn_onnx

work = sys.argv[1]
CLASSES = ['idle', 'interactive', 'server', 'batch', 'io', 'memory']
with open(f'{work}/rows.csv', newline='') as f:
    rows = [row for row in csv.DictReader(f) if row['dormant'] == '0' and row['label'] in CLASSES]
names = ['voluntary', 'cpu', 'burst', 'rchar', 'delay', 'rss', 'min_flt', 'syscr', 'slices', 'wait']
programs = sorted({row['program'] for row in rows})
judges = set(programs[::4])
learn = [row for row in rows if row['program'] not in judges]
judge = [row for row in rows if row['program'] in judges][::3][:3000]
x = np.array([[float(row[n]) for n in names] for row in learn], np.float32)
model = RandomForestClassifier(20, max_depth=8, random_state=1).fit(x, [row['label'] for row in learn])
assert len(model.classes_) == len(CLASSES)
onnx.save(sklearn_onnx.to_onnx(model, len(names)), f'{work}/forest.onnx')
with open(f'{work}/judge.csv', 'w', newline='') as f:
    writer = csv.DictWriter(f, rows[0].keys(), lineterminator='\n')
    writer.writeheader()
    writer.writerows(judge)
# Every class, and in it every program, weighs the same.
said = model.predict(np.array([[float(row[n]) for n in names] for row in judge], np.float32))
size = Counter((row['label'], row['program']) for row in judge)
groups = Counter(label for label, _ in size)
table = defaultdict(float)
for row, answer in zip(judge, said):
    table[row['label'], answer] += 1 / size[row['label'], row['program']] / groups[row['label']]
f1 = []
for c in CLASSES:
    hit, truth = table[c, c], sum(table[c, k] for k in CLASSES)
    taken = sum(table[k, c] for k in CLASSES)
    f1.append(2 * hit / (truth + taken) if truth + taken > 0 else 0)
present = [f for f, c in zip(f1, CLASSES) if groups[c]]
with open(f'{work}/said', 'w') as f:
    print(','.join(names), ','.join(model.classes_), sum(present) / len(present), file=f)
END
read -r features classes f1 <"$work/said"
make() { /usr/bin/python3 "$2/models/export/manifest.py" "$work/forest.onnx" --like "$2/models/data/default.json" --features "$features" \
    --validation "$work/judge.csv" --macro-f1 "$f1" --classes "$1"; }
make "$classes" "$2"
"$1" verify --manifest "$work/forest.json" | tee "$work/verified"
grep -q '^Model forest 1 is sound' "$work/verified"
# Who trains and runs networks of darknet says that this is none.
for verb in "train --from $work/forest.json -o $work" "predict --manifest $work/forest.json"; do
    # shellcheck disable=SC2086 # words
    if "$1" $verb --rows "$work/judge.csv" >"$work/why" 2>&1; then
        echo "FAIL aikm-darknet $verb takes an ONNX model"
        exit 1
    fi
    grep 'an ONNX model' "$work/why"
done
# The order of classes that the file has itself is not to be talked over.
make idle,interactive,server,batch,io,memory "$2"
if "$1" verify --manifest "$work/forest.json" 2>"$work/why"; then
    echo "FAIL classes in another order are taken"
    exit 1
fi
grep "has class 0 as 'batch', but the manifest as 'idle'" "$work/why"
