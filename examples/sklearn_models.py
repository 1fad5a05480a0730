#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A model of scikit-learn for the traffic filter: sklearn_models.py tree|forest|mlp ROWS.csv MODEL

ROWS.csv is what aikm-packets makes of captures; its column label is 0 or 1. Writes MODEL.onnx and MODEL.json, which says what the
model's inputs are. Every fifth row is held out, and how many of them it gets right is printed. Needs Debian's python3-sklearn and
python3-onnx.
"""
import csv
import json
import pathlib
import sys

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'models/export'))
from sklearn_onnx import to_onnx  # noqa: E402 pylint: disable=wrong-import-position,import-error

FIELDS = '''ip_length payload_length_log2 is_tcp is_udp tcp_syn tcp_ack tcp_rst source_packets_log2 source_syn_share source_empty_share
    source_spread source_own_ports source_payload_mean source_spread_slow source_syn_share_slow'''.split()
MODELS = {
    'tree': lambda: DecisionTreeClassifier(max_depth=10, random_state=1),
    'forest': lambda: RandomForestClassifier(16, max_depth=8, random_state=1),
    'mlp': lambda: make_pipeline(StandardScaler(), MLPClassifier([16, 8], max_iter=60, random_state=1)),
}


def main():
    kind, rows_path, out = sys.argv[1:]
    with open(rows_path, newline='') as f:
        rows = list(csv.DictReader(f))
    x = np.array([[float(row[name]) for name in FIELDS] for row in rows], np.float32)
    y = np.array([int(row['label']) for row in rows])
    held_out = np.arange(len(y)) % 5 == 4
    model = MODELS[kind]().fit(x[~held_out], y[~held_out])
    with open(f'{out}.onnx', 'wb') as f:
        f.write(to_onnx(model, len(FIELDS)).SerializeToString())
    with open(f'{out}.json', 'w') as f:
        json.dump({'name': f'sklearn_{kind}', 'target': 'xdp', 'fields': FIELDS}, f, indent=2)
    print(f'{100 * np.mean(model.predict(x[held_out]) == y[held_out]):.1f} % of {np.sum(held_out)} held-out rows')


main()
