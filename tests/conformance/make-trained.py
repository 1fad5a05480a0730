#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make-trained.py TEST-TRAINED FOLDER [SEED]: trains the models that test-trained judges, with the rows that it prints, and writes each
as NAME.onnx. The models in tests/conformance/trained come from it. Needs Debian's python3-sklearn, python3-onnx and python3-torch.
"""
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'models/export'))
sys.dont_write_bytecode = True
from sklearn_onnx import to_onnx  # noqa: E402

ROWS = 6000
TRAINING_SEED = 1  # the test's calibration rows and held-out rows have others


def rows(program, kind):
    text = subprocess.run([program, kind, str(ROWS), str(TRAINING_SEED)], check=True, capture_output=True, text=True).stdout
    table = np.loadtxt(text.splitlines()[1:], delimiter=',')
    return table[:, :-1], table[:, -1].astype(np.int64)


class Network(torch.nn.Module):
    """Raw fields in, scores out; what the inputs are scaled with is part of the model."""

    def __init__(self, x, classes):
        super().__init__()
        self.register_buffer('mean', torch.tensor(x.mean(0), dtype=torch.float32))
        self.register_buffer('scale', torch.tensor(1 / np.maximum(x.std(0), 1e-6), dtype=torch.float32))
        self.layers = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 16), torch.nn.ReLU(), torch.nn.Linear(16, 8), torch.nn.ReLU(),
                                          torch.nn.Linear(8, classes))

    def forward(self, x):
        return self.layers((x - self.mean) * self.scale)


class Recurrent(torch.nn.Module):
    """The same of a sequence of 6 steps of 4 fields."""

    def __init__(self, kind, x, classes):
        super().__init__()
        self.mean, self.scale = float(x.mean()), float(1 / x.std())
        self.memory = getattr(torch.nn, kind)(4, 8, batch_first=True)
        self.scores = torch.nn.Linear(8, classes)

    def forward(self, x):
        y, _ = self.memory((x.reshape(-1, 6, 4) - self.mean) * self.scale)
        return self.scores(y[:, -1])


def train(model, x, y, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss_of = torch.nn.CrossEntropyLoss()
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    for _ in range(epochs):
        for some in torch.randperm(len(y)).split(128):
            optimizer.zero_grad()
            loss_of(model(x[some]), y[some]).backward()
            optimizer.step()
    model.eval()
    right = (model(x).argmax(1) == y).float().mean()
    return f'{100 * right:.1f} % of the training rows'


def export(model, width, path):
    torch.onnx.export(model, torch.zeros(1, width), path, input_names=['fields'], output_names=['scores'], opset_version=13)


def main():
    program, folder, seed = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
    warnings.filterwarnings('ignore')  # networks that have not converged are good enough here
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    x, y = rows(program, 'packets')
    for name, width, model, wanted in [
            ('tree', 12, DecisionTreeClassifier(max_depth=10, random_state=seed), y),
            ('forest', 12, RandomForestClassifier(8, max_depth=6, random_state=seed), y),
            ('mlp-6-32-32-2', 6, make_pipeline(StandardScaler(), MLPClassifier((32, 32), max_iter=40, random_state=seed)), y > 0),
            ('mlp-12-24-12-3', 12, make_pipeline(StandardScaler(), MLPClassifier((24, 12), max_iter=40, random_state=seed)), y),
            ('mlp-8-16-3-tanh', 8, make_pipeline(StandardScaler(), MLPClassifier((16,), 'tanh', max_iter=40, random_state=seed)), y),
            ('mlp-8-16-8-3-logistic', 8,
             make_pipeline(StandardScaler(), MLPClassifier((16, 8), 'logistic', max_iter=60, random_state=seed)), y)]:
        model.fit(x[:, :width], wanted.astype(np.int64))
        (folder / f'{name}.onnx').write_bytes(to_onnx(model, width, name).SerializeToString())
        print(f'{name}: {100 * model.score(x[:, :width], wanted):.1f} % of the training rows')
    model = Network(x, 2)
    print('mlp-12-16-8-2:', train(model, x, (y > 0).astype(np.int64), 30))
    export(model, 12, folder / 'mlp-12-16-8-2.onnx')
    x, y = rows(program, 'sequence')
    for kind in 'GRU', 'LSTM':
        model = Recurrent(kind, x, 3)
        print(f'{kind.lower()}:', train(model, x, y, 20))
        export(model, 24, folder / f'{kind.lower()}-8.onnx')


main()
