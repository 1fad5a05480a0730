#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Chooses how a network is trained, without the programs that judge it.

    choose.py AIKM-DARKNET ROWS 'OPTIONS OF TRAIN'...

Four-fold cross-validation over the programs of the train side of split.json: programs of one executable stay in one fold, and
rows of the test side are dropped before anything else happens. Each set of options is trained for each fold and seed; printed is
the macro-F1 over the programs held out, every class and within it every program weighing the same: all seeds' mean, the worst of
them, and by class. Best first.
"""
import collections
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import corpus

FOLDS = 4
SEEDS = (1, 2, 3)
CLASSES = ('idle', 'interactive', 'server', 'batch', 'io', 'memory')
here = pathlib.Path(__file__).resolve().parent


def folds_of(present):
    """Executables go to the fold that has fewest of the classes which they bring, largest first."""
    groups = collections.defaultdict(list)
    for w in corpus.read().values():
        if w.name in present:
            groups[w.executable].append((w.name, w.intent))
    counts = [collections.Counter() for _ in range(FOLDS)]
    folds = [[] for _ in range(FOLDS)]
    for _, group in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0])):
        best = min(range(FOLDS), key=lambda f: (sum(counts[f][c] for _, c in group), len(folds[f])))
        for name, intent in group:
            folds[best].append(name)
            counts[best][intent] += 1
    return folds


def held_out(darknet, options, seed, fold, train, rows, work):
    """(program, label, predicted) of every row of the fold's programs."""
    split, out = work / 'split.json', work / 'out.csv'
    split.write_text(json.dumps({'train': sorted(train - set(fold)), 'validation': [], 'test': sorted(fold)}))
    subprocess.run([darknet, 'train', '--rows', rows, '--split', split, '-o', work, '--seed', str(seed), *options],
                   check=True, stderr=subprocess.DEVNULL)
    subprocess.run([darknet, 'predict', '--manifest', work / 'model.json', '--rows', rows, '-o', out], check=True)
    with open(out, newline='') as f:
        return [(r['program'], r['label'], r['predicted']) for r in csv.DictReader(f) if r['program'] in fold]


def f1_by_class(results):
    per = collections.Counter((label, program) for program, label, _ in results)
    programs = collections.Counter(label for label, _ in per)
    m = collections.Counter()
    for program, label, predicted in results:
        m[label, predicted] += 1 / per[label, program] / programs[label]
    sums = {c: (sum(m[c, p] for p in CLASSES), sum(m[t, c] for t in CLASSES)) for c in CLASSES}
    return [2 * m[c, c] / (sum(sums[c]) or 1) for c in CLASSES]


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    darknet, rows, candidates = sys.argv[1], sys.argv[2], sys.argv[3:]
    known = set(json.loads((here / 'split.json').read_text())['train'])
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        with open(rows) as f, open(work / 'rows.csv', 'w') as kept:
            kept.write(f.readline())
            lines = [l for l in f if l.split(',', 1)[0] in known]
            kept.writelines(lines)
        train = {l.split(',', 1)[0] for l in lines}
        folds = folds_of(train)
        for fold in folds:
            print('fold:', ' '.join(sorted(fold)))
        table = []
        for options in candidates:
            scores = []
            for seed in SEEDS:
                results = [r for fold in folds
                           for r in held_out(darknet, options.split(), seed, fold, train, work / 'rows.csv', work)]
                scores.append(f1_by_class(results))
            macro = [sum(s) / len(s) for s in scores]
            table.append((sum(macro) / len(macro), min(macro), [sum(c) / len(scores) for c in zip(*scores)], options))
            print(f'{table[-1][0]:.3f} {options}', file=sys.stderr, flush=True)
    print(f'\n{"mean":>6} {"worst":>6} ', ' '.join(f'{c:>11}' for c in CLASSES), ' options')
    for mean, worst, classes, options in sorted(table, key=lambda t: -t[0]):
        print(f'{mean:6.3f} {worst:6.3f} ', ' '.join(f'{c:11.3f}' for c in classes), f' {options}')


if __name__ == '__main__':
    main()
