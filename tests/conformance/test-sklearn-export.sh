#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-sklearn-export.sh TEST-SKLEARN: models that the scikit-learn at hand trains, exported, give what it gives.
set -euo pipefail
for module in sklearn onnx; do
    /usr/bin/python3 -c "import $module" 2>/dev/null || { echo "SKIP: needs python3-$module"; exit 77; }
done
export PYTHONDONTWRITEBYTECODE=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
/usr/bin/python3 "$(dirname "$0")/make-sklearn.py" "$folder" 600
"$1" "$folder" 19

# The example learns from the same rows.
cut -d, -f1-7 "$folder/tree.csv" >"$folder/rows"
for model in tree forest boosting logistic mlp; do
    /usr/bin/python3 -W ignore "$(dirname "$0")/../../models/export/example.py" "$folder/rows" label "$folder/out" --model $model --trees 5 | tee "$folder/said"
    grep -Eq '^'$model' of 6 features .*: ([6-9][0-9]|100)\.[0-9] % of 200 held-out rows$' "$folder/said"
    grep -q label "$folder/out"
done
