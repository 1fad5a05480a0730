#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A small network of PyTorch for the traffic filter: pytorch_mlp.py ROWS.csv MODEL

ROWS.csv is what aikm-packets makes of captures; its column label is 0 or 1. Writes MODEL.onnx and MODEL.json, which says what the
network's inputs are. Every fifth row is held out, and how many of them it gets right is printed. Needs Debian's python3-torch.
"""
import csv
import json
import sys

import torch

FIELDS = '''payload_length_log2 is_tcp is_udp tcp_syn tcp_ack tcp_rst source_packets_log2 source_syn_share source_empty_share
    source_spread source_own_ports source_payload_mean'''.split()


class Filter(torch.nn.Module):
    """Raw fields in; scores of benign and malicious out. What the inputs are scaled with is part of the model."""

    def __init__(self, x):
        super().__init__()
        self.register_buffer('mean', x.mean(0))
        self.register_buffer('scale', 1 / x.std(0).clamp_min(1))
        self.layers = torch.nn.Sequential(torch.nn.Linear(len(FIELDS), 16), torch.nn.ReLU(),
                                          torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

    def forward(self, x):
        return self.layers((x - self.mean) * self.scale)


def main():
    rows_path, out = sys.argv[1:]
    torch.manual_seed(1)
    torch.set_num_threads(1)
    with open(rows_path, newline='') as f:
        rows = list(csv.DictReader(f))
    x = torch.tensor([[float(row[name]) for name in FIELDS] for row in rows])
    y = torch.tensor([int(row['label']) for row in rows])
    held_out = torch.arange(len(y)) % 5 == 4
    train_x, train_y = x[~held_out], y[~held_out]

    model = Filter(train_x)
    loss_of = torch.nn.CrossEntropyLoss(weight=len(train_y) / torch.bincount(train_y, minlength=2).clamp_min(1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        for some in torch.randperm(len(train_y)).split(256):
            optimizer.zero_grad()
            loss_of(model(train_x[some]), train_y[some]).backward()
            optimizer.step()

    model.eval()
    with torch.no_grad():
        right = (model(x[held_out]).argmax(1) == y[held_out]).float().mean()
    torch.onnx.export(model, torch.zeros(1, len(FIELDS)), f'{out}.onnx', input_names=['fields'], output_names=['scores'],
                      dynamic_axes={'fields': {0: 'N'}, 'scores': {0: 'N'}}, opset_version=13)
    with open(f'{out}.json', 'w') as f:
        json.dump({'name': 'mlp', 'target': 'xdp', 'fields': FIELDS}, f, indent=2)
    print(f'{100 * right:.1f} % of {held_out.sum()} held-out rows')


main()
