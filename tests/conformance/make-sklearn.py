#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make-sklearn.py FOLDER [ROWS]: trains small scikit-learn models, and writes each as NAME.onnx with NAME.csv of so many rows.

The CSV has the inputs (x0, x1, ...), what predict() says (label) and predict_proba(), or for an SVC decision_function() of the pairs
of classes (p0, p1, ...), or for regressors what predict() says (y0, y1, ...): what test-sklearn compares with. The fixtures in
tests/conformance/fixtures come from it.
"""
import pathlib
import sys

import numpy as np
from sklearn.ensemble import (ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier,
                              RandomForestRegressor)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, MinMaxScaler, Normalizer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'models/export'))
sys.dont_write_bytecode = True
from sklearn_onnx import to_onnx  # noqa: E402

ROWS = 600


def data():
    """Features of several scales, some of them whole numbers, as packets have; classes with a curved border."""
    random = np.random.RandomState(5)
    x = np.column_stack([random.randint(0, 65536, ROWS), random.randint(0, 256, ROWS), random.randint(0, 2, ROWS),
                         random.normal(0, 1, ROWS), random.exponential(3, ROWS), random.uniform(-1, 1, ROWS)]).astype(np.float32)
    score = x[:, 0] / 65536 + (x[:, 1] / 256) ** 2 + 0.3 * x[:, 2] + 0.4 * np.abs(x[:, 3]) - 0.1 * x[:, 4] + 0.1 * random.normal(0, 1, ROWS)
    return x, score, np.digitize(score, np.quantile(score, [0.4, 0.8])), np.where(score > np.median(score), 7, -2)


def models(x, score, three, two):
    words = np.array(['benign', 'scan', 'flood'])[three]
    holes = x.copy()
    holes[::7, 3] = np.nan
    targets = np.column_stack([score, x[:, 3] * x[:, 5]])
    yield 'tree', DecisionTreeClassifier(max_depth=5, random_state=1), x, three
    yield 'tree-binary', DecisionTreeClassifier(max_depth=6, random_state=1), x, two
    yield 'forest', RandomForestClassifier(5, max_depth=4, random_state=1), x, words
    yield 'forest-binary', RandomForestClassifier(7, max_depth=4, random_state=1), x, two
    yield 'forest-targets', RandomForestRegressor(4, max_depth=4, random_state=1), x, targets
    yield 'extra-trees', ExtraTreesRegressor(4, max_depth=4, random_state=1), x, score
    yield 'boosting', GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=1), x, three
    yield 'boosting-binary', GradientBoostingClassifier(n_estimators=8, max_depth=2, random_state=1), x, two
    yield 'boosting-value', GradientBoostingRegressor(n_estimators=8, max_depth=2, random_state=1), x, score
    yield 'logistic', make_pipeline(StandardScaler(), LogisticRegression()), x, words
    yield 'logistic-binary', make_pipeline(MinMaxScaler(), LogisticRegression()), x, two
    yield 'linear', make_pipeline(StandardScaler(), LinearRegression()), x, targets
    yield 'imputed', make_pipeline(SimpleImputer(), Normalizer('max'), DecisionTreeClassifier(max_depth=4, random_state=1)), holes, three
    yield 'binarized', make_pipeline(Binarizer(threshold=0.5), DecisionTreeClassifier(max_depth=4, random_state=1)), x, two
    yield 'svc', make_pipeline(StandardScaler(), SVC(kernel='linear', C=0.05, decision_function_shape='ovo')), x[:90], words[:90]
    yield 'svc-binary', make_pipeline(StandardScaler(), SVC(kernel='linear', C=0.05)), x[:60], two[:60]
    yield 'mlp', make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=60, random_state=1)), x, three
    yield 'mlp-binary', make_pipeline(StandardScaler(), MLPClassifier((8, 4), 'tanh', max_iter=60, random_state=1)), x, two
    yield 'mlp-value', make_pipeline(StandardScaler(), MLPRegressor((8,), 'logistic', max_iter=60, random_state=1)), x, targets


def write(folder, rows, name, model, x, y):
    model.fit(x, y)
    shown = x[-rows:]
    out = model.predict(shown)
    head = [f'x{i}' for i in range(x.shape[1])]
    columns = [[f'{v:.9g}' for v in c] for c in shown.T]
    if hasattr(model, 'classes_'):
        p = model.decision_function(shown) if name.startswith('svc') else model.predict_proba(shown)
        if p.ndim == 1:  # of two classes, in the order and with the signs of ONNX's operator
            p = np.column_stack([p, -p])
        columns += [[str(v) for v in out]] + [[f'{v:.9g}' for v in c] for c in p.T]
        head += ['label'] + [f'p{i}' for i in range(p.shape[1])]
    else:
        out = out.reshape(len(out), -1)
        columns += [[f'{v:.9g}' for v in c] for c in out.T]
        head += [f'y{i}' for i in range(out.shape[1])]
    lines = [','.join(head)] + [','.join(row) for row in zip(*columns)]
    (folder / f'{name}.csv').write_text('\n'.join(lines) + '\n')
    (folder / f'{name}.onnx').write_bytes(to_onnx(model, x.shape[1], name).SerializeToString())


def main():
    folder, rows = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 48
    import warnings
    warnings.filterwarnings('ignore')  # networks that have not converged are good enough here
    for name, model, x, y in models(*data()):
        write(folder, rows, name, model, x, y)


main()
