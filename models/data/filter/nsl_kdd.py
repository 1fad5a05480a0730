#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NSL-KDD, KDDTrain+ to KDDTest+, with what a filter at XDP or tc can compute: nsl_kdd.py FOLDER. For comparison with published work;
nothing of it is shipped. docs/filter-model.md has the method. Needs Debian's python3-sklearn and python3-pandas.
"""
import pathlib
import sys

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

# Headers, sizes, times, and counts over two seconds. Left out: what is read in payloads (logged_in, hot, …), and the dst_host_ counts over
# a host's last hundred connections.
NUMBERS = '''duration src_bytes dst_bytes land wrong_fragment urgent count srv_count serror_rate rerror_rate same_srv_rate
    diff_srv_rate'''.split()
FIELDS = NUMBERS + ['protocol_type']
PROTOCOLS = ['icmp', 'tcp', 'udp']

KINDS = {
    'tree of depth 8': lambda: DecisionTreeClassifier(max_depth=8, min_samples_leaf=20, random_state=1),
    'forest, 50 of depth 8': lambda: RandomForestClassifier(50, max_depth=8, min_samples_leaf=5, random_state=1),
    'extra trees, 50 of depth 12': lambda: ExtraTreesClassifier(50, max_depth=12, min_samples_leaf=5, max_features=0.5, random_state=1),
}


def read(folder, name):
    columns = [line.split(',')[0] for line in (folder / 'field_names.csv').read_text().split()]
    rows = pd.read_csv(folder / f'{name}.txt.xz', names=columns + ['attack', 'difficulty'])
    x = rows[FIELDS].copy()
    x['protocol_type'] = x.protocol_type.map(PROTOCOLS.index)
    return x.to_numpy(np.float32), rows.attack.to_numpy(str)


def teach(kind, x, attack):
    """Normal and attack alike in sum, an attack by the root of its rows."""
    names, at, n = np.unique(attack, return_inverse=True, return_counts=True)
    weight = np.sqrt(n) / n
    weight[names == 'normal'] = weight[names != 'normal'] @ n[names != 'normal'] / n[names == 'normal']
    return KINDS[kind]().fit(x, attack != 'normal', sample_weight=weight[at])


def unseen(kind, x, attack):
    """Scores of the training side by models that saw neither the attack nor that part of the normal rows: seven folds."""
    names, n = np.unique(attack[attack != 'normal'], return_counts=True)
    by_size = names[np.argsort(-n, kind='stable')]
    fold = np.arange(len(attack)) % 7
    for i, name in enumerate(by_size):
        fold[attack == name] = i % 7
    score = np.zeros(len(attack))
    for k in range(7):
        score[fold == k] = teach(kind, x[fold != k], attack[fold != k]).predict_proba(x[fold == k])[:, 1]
    return score


def best_threshold(score, attack):
    """The one at which the mean of normal rows passed and of attacks found, each attack by the root of its rows, is largest."""
    names, at, n = np.unique(attack, return_inverse=True, return_counts=True)
    weight = np.where(names == 'normal', 0, np.sqrt(n) / n)
    bad = attack != 'normal'
    grid = np.linspace(0.02, 0.98, 97)
    worth = [np.average(score[bad] > g, weights=weight[at][bad]) + np.mean(score[~bad] <= g) for g in grid]
    return grid[int(np.argmax(worth))]


def main():
    folder = pathlib.Path(sys.argv[1])
    x, attack = read(folder, 'KDDTrain+')
    test_x, test_attack = read(folder, 'KDDTest+')
    bad = test_attack != 'normal'
    new = bad & ~np.isin(test_attack, attack)
    print('| model | threshold | accuracy | AUC | F1 | false alarms | attacks known found | attacks new found |\n|---|---|---|---|---|---|---|---|')
    for kind in KINDS:
        limit = best_threshold(unseen(kind, x, attack), attack)
        score = teach(kind, x, attack).predict_proba(test_x)[:, 1]
        said = score > limit
        f1 = 2 * np.sum(said & bad) / (np.sum(said) + np.sum(bad))
        print(f'| {kind} | {limit:.2f} | {np.mean(said == bad):.4f} | {roc_auc_score(bad, score):.4f} | {f1:.3f} | '
              f'{100 * np.mean(said[~bad]):.2f} % | {100 * np.mean(said[bad & ~new]):.1f} % | {100 * np.mean(said[new]):.1f} % |')


if __name__ == '__main__':
    main()
