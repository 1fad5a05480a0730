#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges the network as a prediction of the next five seconds, on programs that it has never seen.

    judge.py ROWS --darknet AIKM-DARKNET [--table corpus.conf] [--folds N] [--families N] [--train 'OPTIONS'] [--seed N] [-o FILE]
    judge.py ROWS --split FILE

ROWS comes from "aikm-darknet rows", as it is or from pack.py. Each program is held out once, with all others of its executable (and in a second round of its
family); a network is trained on the rest by "aikm-darknet train" and asked about what was held out. Of the rest a fifth of the
executables stops the training and sets the temperature; no row of what is held out is in any file that the training reads. Compared
on the same folds: the rules, persistence, and from scikit-learn a decision tree and logistic regression (--no-references: without).
Prints Markdown. --split writes which programs teach a model for use and which set its temperature.
"""
import argparse
import bisect
import collections
import configparser
import csv
import json
import lzma
import os
import pathlib
import random
import subprocess
import sys
import tempfile

CLASSES = ('idle', 'interactive', 'server', 'batch', 'io', 'memory')
HORIZON = 5.0
FIXED = ('program', 'run', 'pid', 't', 'label', 'dormant')
BINS = 10
# What the shipped model is trained with.
TRAIN = '--hidden 32 --members 5 --batches 3000 --noise 0.4 --decay 0.005 --refit'
here = pathlib.Path(__file__).resolve().parent

Program = collections.namedtuple('Program', 'executable intent family')
# predicted: a class each; confidence: what it gave for that class.
Answer = collections.namedtuple('Answer', 'predicted confidence')


def read_table(path):
    """The workloads by name."""
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    with open(path) as f:
        parser.read_file(f)
    return {name: Program(*(parser[name].get(key) for key in ('executable', 'class', 'family'))) for name in parser.sections()}


def make_folds(programs, table, n, key):
    """Groups of programs with one key (executable, family) go whole to the fold that has fewest of their classes, large ones first."""
    groups = collections.defaultdict(list)
    for name in sorted(programs):
        groups[key(table[name])].append(name)
    counts = [collections.Counter() for _ in range(n)]
    folds = [[] for _ in range(n)]
    for _, group in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0])):
        best = min(range(n), key=lambda f: (sum(counts[f][table[p].intent] for p in group), len(folds[f])))
        folds[best] += group
        counts[best].update(table[p].intent for p in group)
    return [sorted(f) for f in folds if f]


def join_shared(table):
    """The family of every program, where families that share an executable are one: held out with one, it is held out with both."""
    name = {p: table[p].family or p for p in table}
    while True:
        of = {}
        for p in sorted(table):
            of.setdefault(table[p].executable, name[p])
        merge = {name[p]: of[table[p].executable] for p in table if name[p] != of[table[p].executable]}
        if not merge:
            return {p: table[p]._replace(family=name[p]) for p in table}
        old, new = min(merge.items())
        name = {p: new if f == old else f for p, f in name.items()}


def f1_scores(matrix):
    """F1 of each class that has rows, else None. matrix[truth][predicted]."""
    scores = []
    for c in range(len(CLASSES)):
        truth, predicted = sum(matrix[c]), sum(row[c] for row in matrix)
        scores.append(2 * matrix[c][c] / (truth + predicted) if truth else None)
    return scores


def macro_f1(matrix):
    scores = [s for s in f1_scores(matrix) if s is not None]
    return sum(scores) / len(scores) if scores else 0.0


def confusion(truth, predicted, weights=None):
    matrix = [[0.0] * len(CLASSES) for _ in CLASSES]
    for i, (t, p) in enumerate(zip(truth, predicted)):
        matrix[CLASSES.index(t)][CLASSES.index(p)] += weights[i] if weights else 1
    return matrix


def even_weights(rows):
    """Every class the same, and within it every program."""
    per = collections.Counter((r['label'], r['program']) for r in rows)
    programs = collections.Counter(label for label, _ in per)
    return [1 / per[r['label'], r['program']] / programs[r['label']] for r in rows]


def reliability(right, confidence, bins=BINS):
    """(rows, mean confidence, accuracy) of each bin of equal width."""
    sums = [[0, 0.0, 0] for _ in range(bins)]
    for r, c in zip(right, confidence):
        s = sums[min(int(c * bins), bins - 1)]
        s[0] += 1
        s[1] += c
        s[2] += r
    return [(n, c / n, r / n) if n else (0, 0.0, 0.0) for n, c, r in sums]


def calibration_error(right, confidence, bins=BINS):
    """Expected calibration error: mean over rows of how far confidence and accuracy of its bin are apart."""
    return sum(n * abs(c - r) for n, c, r in reliability(right, confidence, bins)) / max(len(right), 1)


def by_process(rows):
    """Indices of each process's rows, in order of time."""
    found = collections.defaultdict(list)
    for i, r in enumerate(rows):
        found[r['run'], r['pid']].append(i)
    return [sorted(ids, key=lambda i: rows[i]['t']) for ids in found.values()]


def persistence(rows, rules):
    """What can be seen, carried forward: the class that the rules gave most often in the last five seconds, the later one of equals."""
    predicted, confidence = [None] * len(rows), [0.0] * len(rows)
    for ids in by_process(rows):
        times = [rows[i]['t'] for i in ids]
        for k, i in enumerate(ids):
            if rows[i]['dormant']:
                predicted[i], confidence[i] = 'idle', 1.0
                continue
            window = [rules.predicted[j] for j in ids[bisect.bisect_right(times, times[k] - HORIZON):k + 1]]
            count = collections.Counter(window)
            predicted[i] = max(count, key=lambda c: (count[c], len(window) - window[::-1].index(c)))
            confidence[i] = count[predicted[i]] / len(window)
    return Answer(predicted, confidence)


def oracle_persistence(rows, rules):
    """Knows the truth about the last five seconds and carries it forward; the rules' class where nothing is known of them yet."""
    predicted = list(rules.predicted)
    for ids in by_process(rows):
        times = [rows[i]['t'] for i in ids]
        for k, i in enumerate(ids):
            last = bisect.bisect_right(times, times[k] - HORIZON + 0.001) - 1
            if rows[i]['dormant']:
                predicted[i] = 'idle'
            elif last >= 0:
                predicted[i] = rows[ids[last]]['label']
    return Answer(predicted, [1.0] * len(rows))


def read_rows(path):
    with (lzma.open(path, 'rt', newline='') if str(path).endswith('.xz') else open(path, newline='')) as f:
        reader = csv.reader(f)
        header = next(reader, [])
        if tuple(header[:len(FIXED)]) != FIXED:
            sys.exit(f'{path}: no rows of aikm-darknet: the columns are {", ".join(header[:6])} …')
        rows = [{'program': r[0], 'run': r[1], 'pid': r[2], 't': float(r[3]), 'label': r[4], 'dormant': r[5] == '1', 'line': r}
                for r in reader]
    return header, rows


def write_rows(path, header, rows):
    with open(path, 'w', newline='') as f:
        writer = csv.writer(f, lineterminator='\n')
        writer.writerow(header)
        writer.writerows(r['line'] for r in rows)


def read_answer(path):
    with open(path, newline='') as f:
        rows = list(csv.DictReader(f))
    return Answer([r['predicted'] for r in rows], [float(r['p_' + r['predicted']]) for r in rows])


def inner_split(taught, table):
    """Of the programs that teach, those of a fifth of the executables choose."""
    folds = make_folds(taught, table, 5, lambda p: p.executable)
    return {'train': sorted(set(taught) - set(folds[0])), 'validation': folds[0], 'test': []}


def train_network(o, header, taught, judged, table, work):
    split = inner_split({r['program'] for r in taught}, table)
    (work / 'split.json').write_text(json.dumps(split))
    write_rows(work / 'taught.csv', header, taught)
    write_rows(work / 'judged.csv', header, judged)
    command = [o.darknet, 'train', '--rows', work / 'taught.csv', '--split', work / 'split.json', '-o', work, '--name', 'fold',
               '--seed', str(o.seed), *o.train.split()]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f'training failed: {done.stderr.splitlines()[-1] if done.stderr else "no reason given"}')
    subprocess.run([o.darknet, 'predict', '--manifest', work / 'fold.json', '--rows', work / 'judged.csv', '-o', work / 'out.csv'],
                   check=True)
    return read_answer(work / 'out.csv')


def reference_answers(taught, judged, seed):
    """scikit-learn on the same features: what was taught is standardised by its own mean and deviation, evenly weighted."""
    import numpy
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    def features(rows):
        return numpy.array([[float(x) for x in r['line'][len(FIXED):]] for r in rows])

    asked = [r for r in taught if not r['dormant']]
    x, weights = features(asked), numpy.array(even_weights(asked))
    mean = numpy.average(x, axis=0, weights=weights)
    deviation = numpy.maximum(numpy.sqrt(numpy.average((x - mean) ** 2, axis=0, weights=weights)), 0.05)
    weights *= len(asked) / weights.sum()
    labels = [r['label'] for r in asked]
    answers = {}
    for name, model in (('decision tree', DecisionTreeClassifier(min_samples_leaf=20, max_depth=10, random_state=seed)),
                        ('logistic regression', LogisticRegression(C=0.05, max_iter=300))):
        model.fit(numpy.clip((x - mean) / deviation, -10, 10), labels, sample_weight=weights)
        p = model.predict_proba(numpy.clip((features(judged) - mean) / deviation, -10, 10))
        best = p.argmax(axis=1)
        answers[name] = Answer(['idle' if r['dormant'] else str(model.classes_[b]) for r, b in zip(judged, best)],
                               [1.0 if r['dormant'] else float(q[b]) for r, q, b in zip(judged, p, best)])
    return answers


def hold_out(o, header, rows, folds, table, work, title):
    """Answers of everything that learns to all rows, each from the fold in which its program was held out."""
    predicted = {}
    for n, fold in enumerate(folds):
        print(f'{title}: fold {n + 1} of {len(folds)}: {" ".join(fold)}', file=sys.stderr, flush=True)
        inside = [i for i, r in enumerate(rows) if r['program'] in fold]
        taught, judged = [r for r in rows if r['program'] not in fold], [rows[i] for i in inside]
        assert not {table[r['program']].executable for r in taught} & {table[r['program']].executable for r in judged}
        answers = {'network': train_network(o, header, taught, judged, table, work)}
        if o.references:
            answers.update(reference_answers(taught, judged, o.seed))
        for name, answer in answers.items():
            whole = predicted.setdefault(name, Answer([None] * len(rows), [0.0] * len(rows)))
            for i, p, c in zip(inside, *answer):
                whole.predicted[i], whole.confidence[i] = p, c
    return predicted


def interval(rows, a, b, table, seed=1, times=400):
    """95 % of how much higher the macro-F1 of answer a is than of b, executables drawn anew."""
    parts = collections.defaultdict(lambda: ([], [], []))
    for r, p, q in zip(rows, a, b):
        for part, value in zip(parts[table[r['program']].executable], (r['label'], p, q)):
            part.append(value)
    pairs = [(confusion(t, p), confusion(t, q)) for t, p, q in parts.values()]
    draw = random.Random(seed)

    def total(drawn, side):
        return [[sum(m[side][t][p] for m in drawn) for p in range(len(CLASSES))] for t in range(len(CLASSES))]

    found = []
    for _ in range(times):
        drawn = draw.choices(pairs, k=len(pairs))
        found.append(macro_f1(total(drawn, 0)) - macro_f1(total(drawn, 1)))
    found.sort()
    return found[times // 40], found[-times // 40 - 1]


def figures(rows, answer):
    truth = [r['label'] for r in rows]
    right = [t == p for t, p in zip(truth, answer.predicted)]
    matrix = confusion(truth, answer.predicted)
    return {'accuracy': sum(right) / len(right), 'macro': macro_f1(matrix), 'f1': f1_scores(matrix),
            'even': macro_f1(confusion(truth, answer.predicted, even_weights(rows))),
            'ece': calibration_error(right, answer.confidence)}


def only(answer, kept):
    return Answer([answer.predicted[i] for i in kept], [answer.confidence[i] for i in kept])


def print_answers(rows, answers, out):
    print(f'| | macro-F1 | {" | ".join(CLASSES)} | accuracy | programs alike | calibration error |', file=out)
    print('|---|' + '---|' * (len(CLASSES) + 4), file=out)
    for name, answer in answers.items():
        f = figures(rows, answer)
        per = ' | '.join('–' if s is None else f'{s:.3f}' for s in f['f1'])
        ece = '–' if name.startswith('oracle') else f'{f["ece"]:.3f}'
        print(f'| {name} | **{f["macro"]:.3f}** | {per} | {f["accuracy"]:.3f} | {f["even"]:.3f} | {ece} |', file=out)
    print(file=out)


def print_changes(rows, answers, out):
    """Apart: what is in the next five seconds what it was in the last, and what is not. Oracle persistence is right about the one, and wrong about the other."""
    oracle = next(a for name, a in answers.items() if name.startswith('oracle'))
    print(f'| rows | of all | {" | ".join(name for name in answers if not name.startswith("oracle"))} |', file=out)
    print('|---|' + '---|' * len(answers), file=out)
    for title, same in (('stays what it was', True), ('changes', False)):
        kept = [i for i, r in enumerate(rows) if (oracle.predicted[i] == r['label']) == same]
        scores = [f'{figures([rows[i] for i in kept], only(a, kept))["macro"]:.3f}' if kept else '–'
                  for a in answers.values() if a is not oracle]
        print(f'| {title} | {len(kept) / len(rows):.3f} | {" | ".join(scores)} |', file=out)
    print(file=out)


def print_reliability(rows, answer, out):
    print('| confidence | rows | mean confidence | accuracy |\n|---|---|---|---|', file=out)
    right = [r['label'] == p for r, p in zip(rows, answer.predicted)]
    for n, (count, confidence, accuracy) in enumerate(reliability(right, answer.confidence)):
        if count:
            print(f'| {n / BINS:.1f}–{(n + 1) / BINS:.1f} | {count} | {confidence:.3f} | {accuracy:.3f} |', file=out)
    print(file=out)


def print_confusion(rows, answer, out):
    print(f'| truth | {" | ".join(CLASSES)} |\n|---|' + '---|' * len(CLASSES), file=out)
    for name, line in zip(CLASSES, confusion([r['label'] for r in rows], answer.predicted)):
        print(f'| {name} | {" | ".join(f"{n:.0f}" for n in line)} |', file=out)
    print(file=out)


def print_losses(rows, network, rules, out):
    """The programs of which more than a tenth is wrong, or on which the rules do better."""
    print('| program | rows | network | rules | most frequent mistake |\n|---|---|---|---|---|', file=out)
    per = collections.defaultdict(list)
    for i, r in enumerate(rows):
        per[r['program']].append(i)
    found, fine = [], 0
    for name, ids in per.items():
        accuracy, other = (sum(rows[i]['label'] == a.predicted[i] for i in ids) / len(ids) for a in (network, rules))
        wrong = collections.Counter((rows[i]['label'], network.predicted[i]) for i in ids if rows[i]['label'] != network.predicted[i])
        if accuracy >= 0.9 and other <= accuracy + 0.02:
            fine += 1
            continue
        (truth, said), n = wrong.most_common(1)[0]
        found.append((accuracy, f'| {name} | {len(ids)} | {accuracy:.3f} | {other:.3f} | {truth} taken for {said} ({n}) |'))
    for _, line in sorted(found):
        print(line, file=out)
    print(f'\nThe other {fine} programs are right in nine rows of ten or more, and the rules are not ahead by more than 0.02.\n', file=out)


def report(o, rows, answers, table, title, out):
    asked = [i for i, r in enumerate(rows) if not r['dormant']]
    rows_asked, answers_asked = [rows[i] for i in asked], {name: only(a, asked) for name, a in answers.items()}
    print(f'## {title}\n\nWhat the network was asked ({len(asked)} rows of {len({r["program"] for r in rows_asked})} programs; '
          'the main figures):\n', file=out)
    print_answers(rows_asked, answers_asked, out)
    for other in ('rules', 'persistence'):
        low, high = interval(rows_asked, answers_asked['network'].predicted, answers_asked[other].predicted, table, o.seed)
        ahead = figures(rows_asked, answers_asked['network'])['macro'] - figures(rows_asked, answers_asked[other])['macro']
        print(f'Macro-F1 of the network less that of {other}: {ahead:+.3f} (95 % over executables: {low:+.3f} to {high:+.3f}).\n',
              file=out)
    print('The same rows, macro-F1 by whether the class of the next five seconds is that of the last:\n', file=out)
    print_changes(rows_asked, answers_asked, out)
    print(f'All that the daemon says ({len(rows)} rows: dormant processes, of which everyone says idle, among them):\n', file=out)
    print_answers(rows, answers, out)
    print('Reliability of the network, of what it was asked:\n', file=out)
    print_reliability(rows_asked, answers_asked['network'], out)
    print('What it took for what:\n', file=out)
    print_confusion(rows_asked, answers_asked['network'], out)
    print('Where it loses:\n', file=out)
    print_losses(rows_asked, answers_asked['network'], answers_asked['rules'], out)


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    p.add_argument('rows')
    p.add_argument('--darknet', type=os.path.abspath, help='the program aikm-darknet')
    p.add_argument('--table', default=here / 'corpus.conf', help='the table of workloads')
    p.add_argument('--folds', type=int, default=10, help='folds by program, 0: none')
    p.add_argument('--families', type=int, default=6, help='folds by family, 0: none')
    p.add_argument('--train', default=TRAIN, help='options of aikm-darknet train')
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--no-references', dest='references', action='store_false', help='without scikit-learn')
    p.add_argument('-o', '--output', help='where the tables go')
    p.add_argument('--split', help='write a split of all programs, and judge nothing')
    o = p.parse_args()
    if not o.split and not o.darknet:
        p.error('needs --darknet or --split')
    if o.folds == 1 or o.families == 1 or min(o.folds, o.families) < 0:
        p.error('at least two folds, or 0 for none')
    return o


def main():
    o = parse_arguments()
    table = read_table(o.table)
    header, rows = read_rows(o.rows)
    unknown = sorted({r['program'] for r in rows} - table.keys())
    if unknown:
        sys.exit(f'{o.table}: has no workload {", ".join(unknown)}')
    programs = {r['program'] for r in rows}
    if o.split:
        split = inner_split(programs, table)
        pathlib.Path(o.split).write_text(json.dumps(split, indent=1) + '\n')
        return
    with tempfile.TemporaryDirectory() as name, (open(o.output, 'w') if o.output else sys.stdout) as out:
        work = pathlib.Path(name)
        write_rows(work / 'all.csv', header, rows)
        subprocess.run([o.darknet, 'predict', '--model', 'rules', '--rows', work / 'all.csv', '-o', work / 'rules.csv'], check=True)
        rules = read_answer(work / 'rules.csv')
        fixed = {'rules': rules, 'persistence': persistence(rows, rules),
                 'oracle persistence (unattainable)': oracle_persistence(rows, rules)}
        families = join_shared({p: table[p] for p in programs})
        rounds = (('Programs held out', o.folds, table, lambda p: p.executable),
                  ('Families held out', o.families, families, lambda p: p.family))
        for title, n, known, key in rounds:
            if n > 0:
                folds = make_folds(programs, known, n, key)
                learned = hold_out(o, header, rows, folds, known, work, title)
                report(o, rows, {'network': learned.pop('network'), **fixed, **learned}, known,
                       f'{title}, {len(folds)} folds', out)


if __name__ == '__main__':
    main()
