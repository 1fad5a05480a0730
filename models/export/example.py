#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""From rows to an ONNX model in one command.

    example.py ROWS.csv LABEL OUT.onnx [--model tree|forest|boosting|logistic|mlp] [--depth N] [--trees N] [--hidden N,N]

ROWS.csv has a header; the column LABEL is what to predict, all others are numbers to predict it by. A third of the rows is held out,
and how many of them the model gets right is printed. Needs Debian's python3-sklearn and python3-onnx.
"""
import argparse
import csv

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_onnx import to_onnx

MODELS = {
    'tree': lambda a: DecisionTreeClassifier(max_depth=a.depth, random_state=1),
    'forest': lambda a: RandomForestClassifier(a.trees, max_depth=a.depth, random_state=1),
    'boosting': lambda a: GradientBoostingClassifier(n_estimators=a.trees, max_depth=a.depth, random_state=1),
    'logistic': lambda a: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    'mlp': lambda a: make_pipeline(StandardScaler(), MLPClassifier([int(n) for n in a.hidden.split(',')], max_iter=300, random_state=1)),
}


def read(path, label):
    with open(path, newline='') as f:
        rows = list(csv.DictReader(f))
    names = [name for name in rows[0] if name != label]
    x = np.array([[float(row[name]) for name in names] for row in rows], np.float32)
    y = np.array([row[label] for row in rows])
    try:
        y = y.astype(np.int64)
    except ValueError:
        pass  # names of classes
    return names, x, y


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rows')
    parser.add_argument('label')
    parser.add_argument('out')
    parser.add_argument('--model', choices=MODELS, default='tree')
    parser.add_argument('--depth', type=int, default=8)
    parser.add_argument('--trees', type=int, default=20)
    parser.add_argument('--hidden', default='16,8')
    a = parser.parse_args()
    names, x, y = read(a.rows, a.label)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=1 / 3, stratify=y, random_state=1)
    model = MODELS[a.model](a).fit(train_x, train_y)
    with open(a.out, 'wb') as f:
        f.write(to_onnx(model, len(names), a.model).SerializeToString())
    print(f'{a.model} of {len(names)} features ({", ".join(names)}): {100 * np.mean(model.predict(test_x) == test_y):.1f} % of '
          f'{len(test_y)} held-out rows')


main()
