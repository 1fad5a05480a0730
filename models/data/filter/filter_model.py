#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The traffic filter's model: trained, and judged on tools and files that it has not seen (docs/filter-model.md has the method).

    filter_model.py judge ROWS.csv [--kinds tree,forest,…] [--by tool|source] [--seed N]   tables, in Markdown
    filter_model.py train ROWS.csv -o FOLDER        FOLDER/default-filter.onnx, FOLDER/default-filter.fields.json

ROWS.csv is what aikm-packets makes. The same rows and the same scikit-learn give the same bytes. Needs Debian's python3-sklearn,
python3-pandas and, to train, python3-onnx.
"""
import argparse
import json
import pathlib
import sys
import zlib

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

# Of the packet and of its source alone: they cost one look-up, and are the same where only one way of the traffic is seen.
FIELDS = '''ip_length ip_header_length transport_header_length payload_length_log2 is_tcp is_udp is_icmp fragment
    tcp_fin tcp_syn tcp_rst tcp_psh tcp_ack tcp_urg
    source_packets_log2 source_bytes_log2 source_payload_mean source_syns_log2 source_syn_share source_reset_share source_empty_share
    source_spread source_own_ports
    source_packets_slow_log2 source_payload_mean_slow source_syns_slow_log2 source_syn_share_slow source_reset_share_slow
    source_empty_share_slow source_spread_slow source_own_ports_slow'''.split()

KINDS = {
    'tree': lambda: DecisionTreeClassifier(max_depth=10, min_samples_leaf=20, random_state=1),
    'forest': lambda: RandomForestClassifier(16, max_depth=8, min_samples_leaf=10, max_features=0.3, random_state=1),
    'forest-50': lambda: RandomForestClassifier(50, max_depth=8, min_samples_leaf=10, max_features=0.3, random_state=1),
    'extra-trees': lambda: ExtraTreesClassifier(16, max_depth=8, min_samples_leaf=10, max_features=0.3, random_state=1),
    'boosting': lambda: GradientBoostingClassifier(n_estimators=40, max_depth=4, learning_rate=0.2, subsample=0.5, min_samples_leaf=20,
                                                   max_features=0.3, random_state=1),
    'mlp': lambda: make_pipeline(StandardScaler(), MLPClassifier([32, 16], alpha=1e-3, max_iter=40, random_state=1)),
    'logistic': lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
}
SHIPPED = 'forest'

ALARMS = 0.005  # share of the benign packets of the inner folds that a threshold may let be called malicious
MADE = 0.2      # what a made group weighs of a captured one
TAUGHT = 2000   # packets of one group that teach, at most
ALWAYS, NEVER = -1, -2  # teaches whatever is left out: benign loads of make_traffic.py; never teaches: MAWI
TOOLS = {('lucid', 'synflood'): 0, ('probing', 'nmap'): 1, ('probing', 'hping3'): 2, ('probing', 'zmap_tcp_5k'): 3, ('westermo', 'right'): 4,
         ('modbus', 'CnC_uploading_exe'): 5, ('modbus', 'exploit_ms08_netapi'): 6, ('modbus', 'moving_two_files'): 7}
N_TOOLS = 9
SOURCES = ('lucid', 'probing', 'westermo', 'modbus', 'ndpi')


def fold_by_tool(source, file, label):
    if source == 'mawi':
        return NEVER
    if source == 'made':
        return TOOLS['lucid', 'synflood'] if label else ALWAYS  # a flood unseen: none of ours, either
    if source == 'ndpi':
        return N_TOOLS - 1 if label else zlib.crc32(file.encode()) % N_TOOLS
    return TOOLS[source, file]


def fold_by_source(source, _file, label):
    if source == 'made':
        return SOURCES.index('lucid') if label else ALWAYS
    return NEVER if source == 'mawi' else SOURCES.index(source)


class Table:
    """Rows, and what stands beside them: source, file, class, label, fold; and the groups, each with its rows."""

    def __init__(self, path, by, seed=1):
        keys = ['src', 'file', 'label', 'cls']
        rows = pd.read_csv(path, usecols=keys + FIELDS, dtype={k: str for k in ('src', 'file', 'cls')})
        self.x = rows[FIELDS].to_numpy(np.float32)
        self.label = rows.label.to_numpy(np.int64)
        self.source, self.file, self.cls = (rows[k].to_numpy(str) for k in ('src', 'file', 'cls'))
        fold_of = fold_by_source if by == 'source' else fold_by_tool
        unique = {k: fold_of(*k) for k in set(zip(self.source, self.file, self.label))}
        self.fold = np.array([unique[k] for k in zip(self.source, self.file, self.label)])
        # A file; Westermo's has several campaigns in it, and a Modbus file both good and bad.
        within = np.where(self.source == 'westermo', self.cls, self.label.astype(str))
        names = np.char.add(np.char.add(np.char.add(self.source, '/'), np.char.add(self.file, '/')), within)
        names, at = np.unique(names, return_inverse=True)
        self.groups = list(zip(names, np.split(np.argsort(at, kind='stable'), np.cumsum(np.bincount(at))[:-1])))
        self.seed = seed  # of what is drawn while a model is taught
        self.judged = (self.source != 'mawi') & (self.source != 'made')

    def teaching(self, *left_out):
        """What teaches where these folds are left out."""
        return (self.fold != NEVER) & ~np.isin(self.fold, left_out)


def lesson(t, mask):
    """Rows to teach with, evenly spaced ones of each group, and their weights: both labels alike in sum, a group by the root of its size."""
    chosen, weight = [], []
    for group, rows in t.groups:
        rows = rows[mask[rows]]
        if not len(rows):
            continue
        some = rows[np.linspace(0, len(rows) - 1, min(len(rows), TAUGHT)).astype(int)]
        chosen.append(some)
        of_group = np.sqrt(len(rows)) * (MADE if group.startswith('made/') else 1)
        weight.append(np.full(len(some), of_group / len(some)))
    chosen, weight = np.concatenate(chosen), np.concatenate(weight)
    for label in (0, 1):
        mine = t.label[chosen] == label
        weight[mine] *= 0.5 * len(chosen) / weight[mine].sum()
    return chosen, weight


def teach(kind, t, mask):
    model = KINDS[kind]()
    model.set_params(**{name: t.seed for name in model.get_params() if name.endswith('random_state')})
    rows, weight = lesson(t, mask)
    if kind in ('mlp', 'logistic'):  # the network takes no weights: rows are drawn by theirs
        rows = np.random.default_rng(t.seed).choice(rows, len(rows), p=weight / weight.sum())
        weight = None
    if weight is None:
        return model.fit(t.x[rows], t.label[rows])
    return model.fit(t.x[rows], t.label[rows], sample_weight=weight)


def score(model, x):
    return model.predict_proba(x)[:, 1]


def threshold(scores, labels):
    """Packets above it are malicious; at most the share ALARMS of the benign ones are."""
    benign = np.sort(scores[labels == 0])[::-1]
    return benign[int(ALARMS * len(benign))]


class Judged:
    """Every packet's score and verdict by a model that knows neither its tool nor its file."""

    def __init__(self, kind, t):
        folds = sorted(set(t.fold[t.judged]))
        self.score = np.full(len(t.label), np.nan)
        self.malicious = np.zeros(len(t.label), bool)
        self.sampled = {}  # verdicts on MAWI, by fold
        # Left out twice: of a and of b. The inner folds of a are those of b, too.
        inner = {a: np.full(len(t.label), np.nan) for a in folds}
        for i, a in enumerate(folds):
            for b in folds[i + 1:]:
                model = teach(kind, t, t.teaching(a, b))
                for of, rows in ((a, t.judged & (t.fold == b)), (b, t.judged & (t.fold == a))):
                    inner[of][rows] = score(model, t.x[rows])
        for a in folds:
            rows = t.judged & (t.fold == a)
            model = teach(kind, t, t.teaching(a))
            seen = ~np.isnan(inner[a])
            limit = threshold(inner[a][seen], t.label[seen])
            self.score[rows] = score(model, t.x[rows])
            self.malicious[rows] = self.score[rows] > limit
            self.sampled[a] = score(model, t.x[t.source == 'mawi']) > limit


def percent(part, digits=2):
    return f'{100 * np.mean(part):.{digits}f} %' if len(part) else '–'


def figures(t, j):
    """AUC, F1, precision, recall, false-alarm rate."""
    rows = t.judged
    label, said = t.label[rows], j.malicious[rows]
    hits, alarms = np.sum(said & (label == 1)), np.sum(said & (label == 0))
    recall, precision = hits / np.sum(label == 1), hits / max(hits + alarms, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return roc_auc_score(label, j.score[rows]), f1, precision, recall, alarms / np.sum(label == 0)


def table_of_kinds(t, judged):
    print('| kind of model | AUC | F1 | precision | recall | false alarms |\n|---|---|---|---|---|---|')
    for kind, j in judged.items():
        auc, f1, precision, recall, alarms = figures(t, j)
        print(f'| {kind} | {auc:.4f} | {f1:.3f} | {precision:.3f} | {recall:.3f} | {100 * alarms:.2f} % |')


def table_of_tools(t, j):
    print('| malicious, unseen in training | packets | found |\n|---|---|---|')
    bad = t.judged & (t.label == 1)
    name = np.where(t.source == 'modbus', np.char.add('modbus, ', t.file), np.where(t.source == 'ndpi', np.char.add('ndpi, ', t.file),
                    np.char.add(np.char.add(t.source, ', '), t.cls)))
    for n in sorted(set(name[bad])):
        print(f'| {n} | {np.sum(bad & (name == n)):,} | {percent(j.malicious[bad & (name == n)], 1)} |')


def table_of_sources(t, j):
    print('| benign, file unseen in training | packets | false alarms | files | with an alarm |\n|---|---|---|---|---|')
    for source in ('ndpi', 'modbus', 'westermo'):
        rows = (t.source == source) & (t.label == 0)
        files = set(t.file[rows])
        hit = set(t.file[rows & j.malicious])
        print(f'| {source} | {np.sum(rows):,} | {percent(j.malicious[rows])} | {len(files)} | {len(hit)} |')
    sampled = np.mean(list(j.sampled.values()), axis=0)
    rows = t.source == 'mawi'
    f = {name: t.x[rows][:, FIELDS.index(name)] for name in ('tcp_syn', 'tcp_ack', 'tcp_rst', 'transport_header_length')}
    syn = (f['tcp_syn'] > 0) & (f['tcp_ack'] == 0)
    bare = syn & (f['transport_header_length'] < 28)
    for name, part in (('SYN, TCP header of 20 or 24 bytes', bare), ('SYN, longer TCP header', syn & ~bare),
                       ('RST', f['tcp_rst'] > 0), ('all others', ~syn & (f['tcp_rst'] == 0))):
        print(f'| mawi, sampled: {name} | {np.sum(part):,} | {percent(sampled[part])} | 1 | |')


def table_of_files(t, j):
    rows = (t.source == 'ndpi') & (t.label == 0)
    counts = pd.Series(t.file[rows & j.malicious]).value_counts(sort=False)
    worst = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:8]
    total = np.sum(rows & j.malicious)
    print(f'Of nDPI\'s {total} false alarms, most are of: ' +
          ', '.join(f'{name} ({n} of {np.sum(rows & (t.file == name))})' for name, n in worst) + '.')


def report(t, judged):
    """judged: by kind; what is told in detail is the shipped one's, or the first's."""
    table_of_kinds(t, judged)
    first = judged.get(SHIPPED, next(iter(judged.values())))
    print()
    table_of_tools(t, first)
    print()
    table_of_sources(t, first)
    print()
    table_of_files(t, first)


def to_onnx(model, limit):
    """The share of votes for malicious, so scaled that it is above 0.5, and the label 1, where the forest's is above the threshold."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'export'))
    import sklearn_onnx  # pylint: disable=import-outside-toplevel,import-error
    proto = sklearn_onnx.to_onnx(model, len(FIELDS), 'filter')
    votes = next(a for a in proto.graph.node[0].attribute if a.name == 'class_weights')
    votes.floats[:] = [vote * 0.5 / limit for vote in votes.floats]
    return proto


def train(t, folder):
    """On all folds; the threshold is that of what the folds' own models say of what they have not seen."""
    judged = Judged(SHIPPED, t)
    report(t, {SHIPPED: judged})
    limit = threshold(judged.score[t.judged], t.label[t.judged])
    model = teach(SHIPPED, t, t.teaching())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'default-filter.onnx').write_bytes(to_onnx(model, limit).SerializeToString(deterministic=True))
    spec = {'name': 'default_filter', 'target': 'xdp', 'fields': FIELDS}
    (folder / 'default-filter.fields.json').write_text(json.dumps(spec, indent=2) + '\n')
    nodes = sum(e.tree_.node_count for e in model.estimators_)
    print(f'\nThe shipped one: {len(model.estimators_)} trees, {nodes:,} nodes, threshold {limit:.4f}; scikit-learn {sklearn.__version__}.')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('verb', choices=['judge', 'train'])
    parser.add_argument('rows')
    parser.add_argument('-o', '--output', type=pathlib.Path, default=pathlib.Path('.'))
    parser.add_argument('--kinds', default=','.join(KINDS))
    parser.add_argument('--by', choices=['tool', 'source'], default='tool')
    parser.add_argument('--seed', type=int, default=1)
    a = parser.parse_args()
    t = Table(a.rows, a.by, a.seed)
    if a.verb == 'train':
        train(t, a.output)
    else:
        report(t, {kind: Judged(kind, t) for kind in a.kinds.split(',')})


if __name__ == '__main__':
    main()
