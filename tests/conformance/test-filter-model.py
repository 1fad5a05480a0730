#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-filter-model.py SOURCE-ROOT AIKM-PACKETS DATA: the shipped filter model is what its command makes of the packets; the figures of
docs/filter-model.md are what judging it prints, and are good enough."""
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

root, packets, data = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3])
folder = root / 'models/data/filter'
page = (root / 'docs/filter-model.md').read_text(encoding='utf-8')
SAME = '1.2.1'  # what the shipped forest was made with: another scikit-learn makes another one, as another seed does


def skip(why):
    print(f'SKIP: {why}')
    sys.exit(77)


for name in ('netpkt', 'nsl-kdd'):
    if not (data / name).is_dir():
        skip(f'there is no {data / name}')
for name in ('sklearn', 'pandas', 'onnx'):
    if not importlib.util.find_spec(name):
        skip(f'needs python3-{name}')
import sklearn  # noqa: E402 pylint: disable=wrong-import-position


def told(name):
    """What the page says between two marks."""
    return re.search(f'<!-- {name} -->\n(.*?)\n<!-- end -->', page, re.S).group(1).strip()


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def column(table, row, title):
    """A number of a Markdown table."""
    names = None
    for text in table.splitlines():
        line = [cell.strip() for cell in text.strip('|').split('|')]
        if title in line:
            names = line
        elif names and line[0] == row:
            return float(line[names.index(title)].rstrip(' %').replace(',', ''))
    raise KeyError(row)


class Model(unittest.TestCase):
    maxDiff = None

    def test_shipped(self):
        with tempfile.TemporaryDirectory() as out:
            said = run(folder / 'train.sh', packets, data, out)
            if sklearn.__version__ == SAME:
                for name in ('default-filter.onnx', 'default-filter.fields.json'):
                    self.assertEqual(pathlib.Path(out, name).read_bytes(), (folder / name).read_bytes(), name)
                self.assertEqual(said, told('judged'))
            else:
                self.assertGreaterEqual(column(said, 'forest', 'AUC'), 0.96)
                self.assertLessEqual(column(said, 'forest', 'false alarms'), 1.5)
            self.assertGreaterEqual(column(said, 'forest', 'F1'), 0.80)
            self.assertGreaterEqual(column(told('judged'), 'forest', 'AUC'), 0.975)
            self.assertGreaterEqual(column(told('judged'), 'forest', 'F1'), 0.80)
            self.assertLessEqual(column(told('judged'), 'forest', 'false alarms'), 1.0)

    def test_nsl_kdd(self):
        said = run(sys.executable, folder / 'nsl_kdd.py', data / 'nsl-kdd')
        if sklearn.__version__ == SAME:
            self.assertEqual(said, told('nsl-kdd'))
        self.assertGreaterEqual(column(said, 'forest, 50 of depth 8', 'accuracy'), 0.83)


unittest.main(argv=sys.argv[:1])
