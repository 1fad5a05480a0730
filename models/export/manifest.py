#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the manifest with which aikmd predicts by an ONNX model: NAME.json beside NAME.onnx. docs/model.md says what the keys mean.

The model's input: one row of features for a process, all of aikmd's or those of --features, as rows.csv and `aikm-record export` have
them. Its output: a probability (--logits: a score) for each class, in the order of --classes. Needs no package.
"""
import argparse
import hashlib
import json
import os
import shutil
import sys

CLASSES = ['idle', 'interactive', 'server', 'batch', 'io', 'memory']


def member(path):
    with open(path, 'rb') as f:
        return {'file': os.path.basename(path), 'sha256': hashlib.sha256(f.read()).hexdigest()}


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('onnx', metavar='NAME.onnx')
    p.add_argument('--like', default='/usr/share/aikmd/models/default.json', help='a manifest of this version of aikmd: it knows the features')
    p.add_argument('--features', help='those that the columns of the input are, with commas between; default: all, in their order')
    p.add_argument('--classes', help='those that the columns of the output are; default: ' + ','.join(CLASSES))
    p.add_argument('--output', help='the output that has the classes, where there are several')
    p.add_argument('--logits', action='store_true', help='the output has scores, which softmax makes probabilities')
    p.add_argument('--validation', metavar='ROWS.csv', help='rows that taught it nothing, at most 5000')
    p.add_argument('--macro-f1', type=float, help='on them; every class, and in it every program, weighs the same')
    p.add_argument('--model-version', default='1')
    a = p.parse_args()
    if (a.validation is None) != (a.macro_f1 is None):
        p.error('--validation and --macro-f1 go together')
    with open(a.like, encoding='utf-8') as f:
        like = json.load(f)
    known = [feature['name'] for feature in like['features']]
    features = a.features.split(',') if a.features else known
    classes = a.classes.split(',') if a.classes else CLASSES
    if sorted(classes) != sorted(CLASSES):
        p.error('--classes: must be ' + ', '.join(CLASSES) + ', in the order of the output')
    for name in features:
        if name not in known:
            p.error(f'--features: there is no feature {name}')
    folder, file = os.path.split(os.path.abspath(a.onnx))
    name = os.path.splitext(file)[0]
    manifest = {'name': name, 'version': a.model_version, 'schema': like['schema'], 'classes': classes, 'onnx': member(a.onnx)}
    if a.output:
        manifest['onnx']['output'] = a.output
    if a.logits:
        manifest['onnx']['logits'] = True
    manifest['features'] = [{'name': feature} for feature in features]
    if a.validation:
        rows = os.path.join(folder, name + '.validation.csv')
        if os.path.abspath(a.validation) != rows:
            shutil.copyfile(a.validation, rows)
        manifest['validation'] = member(rows) | {'macro_f1': a.macro_f1}
    with open(os.path.join(folder, name + '.json'), 'w', encoding='utf-8') as f:
        json.dump(manifest, f, indent=2)
        f.write('\n')
    print(f'wrote {name}.json beside {file}')
    return 0


sys.exit(main())
