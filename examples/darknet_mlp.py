#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A network in darknet's format for the traffic filter: darknet_mlp.py ROWS.csv MODEL

Darknet's own training knows images; so the network is scikit-learn's, written as MODEL.cfg and MODEL.weights, and MODEL.json says
what its inputs are. ROWS.csv is what aikm-packets makes of captures; its column label is 0 or 1. Needs Debian's python3-sklearn.
"""
import csv
import json
import sys

import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

FIELDS = '''payload_length_log2 is_tcp is_udp tcp_syn tcp_ack tcp_rst source_packets_log2 source_syn_share source_empty_share
    source_spread source_own_ports source_payload_mean'''.split()


def main():
    rows_path, out = sys.argv[1:]
    with open(rows_path, newline='') as f:
        rows = list(csv.DictReader(f))
    x = np.array([[float(row[name]) for name in FIELDS] for row in rows])
    y = np.array([int(row['label']) for row in rows])
    scaler = StandardScaler().fit(x)
    model = MLPClassifier([16, 8], max_iter=60, random_state=1).fit(scaler.transform(x), y)

    layers = [[w.T, b] for w, b in zip(model.coefs_, model.intercepts_)]  # darknet's rows are outputs
    layers[0][1] = layers[0][1] - layers[0][0] @ (scaler.mean_ / scaler.scale_)
    layers[0][0] = layers[0][0] / scaler.scale_
    w, b = layers[-1]  # one score: that of malicious over benign
    layers[-1] = [np.vstack([np.zeros_like(w), w]), np.concatenate([np.zeros_like(b), b])]

    text = f'[net]\nbatch=1\ninputs={len(FIELDS)}\n'
    with open(f'{out}.weights', 'wb') as f:
        f.write(np.array([0, 2, 0], '<i4').tobytes() + np.array([0], '<u8').tobytes())
        for w, b in layers:
            text += f'\n[connected]\noutput={len(b)}\nactivation={"linear" if w is layers[-1][0] else "relu"}\n'
            f.write(b.astype('<f4').tobytes() + w.astype('<f4').tobytes())
    with open(f'{out}.cfg', 'w') as f:
        f.write(text + '\n[softmax]\n')
    with open(f'{out}.json', 'w') as f:
        json.dump({'name': 'darknet', 'target': 'xdp', 'fields': FIELDS}, f, indent=2)
    print(f'{100 * np.mean(model.predict(scaler.transform(x)) == y):.1f} % of {len(y)} rows')


main()
