#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-corpus.py FOLDER: the table of workloads, how it is read, the plan of a recording and the labels that come of it."""
import collections
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

folder = pathlib.Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True
sys.path.insert(0, str(folder))
import corpus  # noqa: E402 pylint: disable=wrong-import-position

GOOD = '[a]\nexecutable = /bin/a\npackages = a\nclass = server\nfamily = x\nphases = use:10 pause:5 dump:4=io\nrun = load --tcp 1\n    more\n'


def read(text):
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name, 'corpus.conf')
        path.write_text(text)
        return corpus.read(path)


class Table(unittest.TestCase):
    def test_nothing_to_complain_of(self):
        self.assertEqual(corpus.check(corpus.read()), [])

    def test_enough_of_each_class(self):
        table = corpus.read()
        self.assertGreaterEqual(len(table), 100)
        for intent in corpus.CLASSES:
            programs = {w.executable for w in table.values() if w.intent == intent}
            self.assertGreaterEqual(len(programs), 14, intent)

    def test_families(self):
        """Leaving out a family leaves enough to learn each class from."""
        table = corpus.read()
        families = collections.Counter(w.family for w in table.values())
        self.assertGreaterEqual(len(families), 20)
        self.assertLess(max(families.values()), len(table) / 5)

    def test_idle_by_intent(self):
        table = corpus.read()
        self.assertGreaterEqual(sum(w.intent == 'idle' and not w.clocked for w in table.values()), 12)

    def test_keys_are_there(self):
        for w in corpus.read().values():
            for keys in re.findall(r'\btyping (\S+)', w.run):
                self.assertTrue((folder / 'keys' / keys).is_file(), f'{w.name}: {keys}')

    def test_commands_are_shell(self):
        text = ''.join(f': {w.name}\n(\n{w.run}\n)\n' for w in corpus.read().values())
        self.assertEqual(subprocess.run(['bash', '-n'], input=text, text=True, check=False).returncode, 0)


class Reading(unittest.TestCase):
    def test_good(self):
        w = read(GOOD)['a']
        self.assertEqual([tuple(p) for p in w.phases], [('use', 10, 'intent'), ('pause', 5, 'idle'), ('dump', 4, 'io')])
        self.assertEqual(w.comms, [('a', 'a')])
        self.assertEqual(w.run, 'load --tcp 1\nmore')

    def test_bad(self):
        for change, complaint in (
                (('class = server', 'class = serverly'), 'serverly'),
                (('executable = /bin/a\n', ''), '"executable" is missing'),
                (('executable = /bin/a', 'executable = a'), 'is a path'),
                (('family = x', 'family = X y'), 'family'),
                (('use:10', 'use:ten'), 'use:ten'),
                (('use:10', 'use:0'), 'use:0'),
                (('dump:4=io', 'dump:4=disk'), 'disk'),
                (('packages = a', 'packages = a\nphase = use:3'), 'unknown key "phase"'),
                (('packages = a', 'packages = a\nalso = b=nobody'), '"nobody" is no workload'),
                (('packages = a', 'packages = a\nnoise = yes'), 'noise'),
                (('[a]', '[a/b]'), 'a/b'),
                (('run = load', 'run load'), 'corpus.conf'),
        ):
            with self.subTest(complaint), self.assertRaises(corpus.Bad) as caught:
                read(GOOD.replace(*change))
            self.assertIn(complaint, str(caught.exception))

    def test_twice(self):
        with self.assertRaises(corpus.Bad):
            read(GOOD + GOOD)
        other = GOOD.replace('[a]', '[b]').replace('family = x', 'family = y')
        with self.assertRaises(corpus.Bad) as caught:
            read(GOOD + other)
        self.assertIn('/bin/a is of the family x in [a] and of y here', str(caught.exception))

    def test_no_file(self):
        with self.assertRaises(corpus.Bad):
            corpus.read('/nonexistent/corpus.conf')


class Labels(unittest.TestCase):
    def test_phases(self):
        w = read(GOOD)['a']
        self.assertEqual(corpus.label_phases(w, 0, begin=100.0, zero=103.5, end=130.0), [
            {'start': 100.0, 'class': None}, {'start': 103.5, 'class': 'intent'},
            {'start': 113.5, 'class': None}, {'start': 114.5, 'class': 'idle'},
            {'start': 118.5, 'class': None}, {'start': 119.5, 'class': 'io'},
            {'start': 122.5, 'class': None}, {'start': 123.5, 'class': 'intent'}])

    def test_as_the_driver_found_it(self):
        """A job lasted 3 s into the pause, the dump never began: no label for either."""
        w = read(GOOD)['a']
        self.assertEqual(corpus.label_phases(w, 0, 0.0, 10.0, 31.0, [10.0, 23.0, 29.2]), [
            {'start': 0.0, 'class': None}, {'start': 10.0, 'class': 'intent'}, {'start': 20.0, 'class': None},
            {'start': 24.0, 'class': 'idle'}, {'start': 25.0, 'class': None}, {'start': 30.2, 'class': 'intent'}])

    def test_rounds_begin_elsewhere(self):
        w = read(GOOD)['a']
        self.assertEqual([m['class'] for m in corpus.label_phases(w, 1, 0.0, 1.0, 12.0)], [None, 'idle', None, 'io', None, 'intent'])

    def test_never_begun(self):
        self.assertEqual(corpus.label_phases(read(GOOD)['a'], 0, 5.0, None, 60.0), [{'start': 5.0, 'class': None}])

    def test_without_a_clock(self):
        self.assertIsNone(corpus.label_phases(read(GOOD.replace('pause:5 dump:4=io', 'use:5'))['a'], 0, 1.0, None, 9.0))


class Plan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.table = corpus.read()
        cls.slots = corpus.Plan(cls.table).slots

    def test_every_workload_in_two_rounds(self):
        rounds = collections.defaultdict(list)
        for slot in self.slots:
            for s in slot:
                if s.name:
                    rounds[s.name].append(s.round)
        for name in self.table:
            self.assertGreaterEqual(len(rounds[name]), 2, name)
            self.assertEqual(len(set(rounds[name])), len(rounds[name]), name)

    def test_levels(self):
        sizes = collections.Counter(sum(bool(s.name) for s in slot) for slot in self.slots)
        self.assertGreaterEqual(sizes[1], 3)
        self.assertGreaterEqual(sizes[3], 4)
        self.assertGreaterEqual(sum(n for size, n in sizes.items() if size >= 7), 10)
        self.assertLessEqual(max(sizes), corpus.MEMBERS_MAX)

    def test_noise(self):
        inside = {len(s.hogs) for slot in self.slots for s in slot if s.name and s.hogs}
        outside = {len(s.hogs) for slot in self.slots for s in slot if not s.name}
        for found in (inside, outside):
            self.assertLessEqual({1, 3, 6}, found)
        for slot in self.slots:
            for s in slot:
                for hog in s.hogs:
                    self.assertEqual(self.table[hog].intent, 'batch')
                    for pattern, _ in self.table[hog].comms:
                        self.assertFalse(s.name and self.table[s.name].program_of(pattern.replace('*', '')), f'{s.name} {hog}')
        self.assertGreaterEqual(len({h for slot in self.slots for s in slot for h in s.hogs}), 5)

    def test_once_in_a_slot(self):
        for slot in self.slots:
            programs = [self.table[s.name].executable for s in slot if s.name]
            self.assertEqual(len(set(programs)), len(programs))

    def test_mixed(self):
        """Hardly any crowded slot without something that waits for an answer, none with hogs alone."""
        for slot in self.slots:
            classes = collections.Counter(self.table[s.name].intent for s in slot if s.name)
            if sum(classes.values()) >= 7:
                self.assertGreaterEqual(classes['server'] + classes['interactive'], 2)
                self.assertLessEqual(classes['batch'] + classes['memory'], 5)

    def test_the_same_again(self):
        self.assertEqual(self.slots, corpus.Plan(corpus.read()).slots)


if __name__ == '__main__':
    unittest.main()
