#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test-judge.py WORKLOADS MODEL-FOLDER: folds, figures and persistence of the judge, on plain data; the shipped model's split."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

model = pathlib.Path(sys.argv.pop(2))
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv.pop(1))
import judge  # noqa: E402

P = judge.Program
TABLE = {
    'a-one': P('/bin/a', 'batch', 'x'), 'a-two': P('/bin/a', 'io', 'y'), 'b': P('/bin/b', 'batch', 'x'),
    'c': P('/bin/c', 'io', 'z'), 'd': P('/bin/d', 'server', 'z'), 'e': P('/bin/e', 'server', 'w'),
    'f': P('/bin/f', 'idle', 'w'), 'g-one': P('/bin/g', 'idle', 'v'), 'g-two': P('/bin/g', 'memory', 'w'),
}


def row(t, label, program='b', pid=1, run='r', dormant=False):
    return {'program': program, 'run': run, 'pid': pid, 't': t, 'label': label, 'dormant': dormant}


class Folds(unittest.TestCase):
    def check(self, n, table, key):
        folds = judge.make_folds(table, table, n, key)
        self.assertEqual(sorted(p for f in folds for p in f), sorted(table))  # each once
        where = {p: i for i, f in enumerate(folds) for p in f}
        for p in table:
            for q in table:
                if key(table[p]) == key(table[q]):
                    self.assertEqual(where[p], where[q], (p, q))
        return folds, where

    def test_by_executable(self):
        for n in (2, 3, 5, 20):
            folds, _ = self.check(n, TABLE, lambda p: p.executable)
            self.assertLessEqual(len(folds), n)
            self.assertTrue(all(folds))

    def test_by_family(self):
        known = judge.join_shared(TABLE)
        _, where = self.check(3, known, lambda p: p.family)
        for p in TABLE:  # neither is an executable on two sides then
            for q in TABLE:
                if TABLE[p].executable == TABLE[q].executable or TABLE[p].family == TABLE[q].family:
                    self.assertEqual(where[p], where[q], (p, q))

    def test_shared_families_stay_apart_where_nothing_is_shared(self):
        known = judge.join_shared(TABLE)
        self.assertEqual(known['a-one'].family, known['a-two'].family)
        self.assertEqual(known['g-one'].family, known['e'].family)
        self.assertNotEqual(known['c'].family, known['b'].family)
        self.assertNotEqual(known['e'].family, known['c'].family)

    def test_same_every_time(self):
        a = judge.make_folds(list(TABLE), TABLE, 3, lambda p: p.executable)
        self.assertEqual(a, judge.make_folds(list(TABLE)[::-1], TABLE, 3, lambda p: p.executable))

    def test_inner_split(self):
        split = judge.inner_split(set(TABLE), TABLE)
        self.assertEqual(sorted(split['train'] + split['validation']), sorted(TABLE))
        self.assertTrue(split['validation'])
        self.assertFalse({TABLE[p].executable for p in split['train']} & {TABLE[p].executable for p in split['validation']})


class Shipped(unittest.TestCase):
    def setUp(self):
        self.table = judge.read_table(judge.here / 'corpus.conf')
        _, rows = judge.read_rows(model / 'rows.csv.xz')
        self.programs = {r['program'] for r in rows}
        self.split = json.loads((model / 'default.split').read_text())

    def test_every_program_once(self):
        self.assertEqual(sorted(self.split['train'] + self.split['validation']), sorted(self.programs))
        self.assertLessEqual(self.programs, set(self.table))

    def test_no_executable_on_two_sides(self):
        self.assertFalse({self.table[p].executable for p in self.split['train']} &
                         {self.table[p].executable for p in self.split['validation']})

    def test_trained_as_it_was_judged(self):
        self.assertIn(judge.TRAIN + ' ', (model / 'train.sh').read_text())

    def test_made_by_the_judge(self):
        self.assertEqual(judge.inner_split(self.programs, self.table), self.split)


class Pack(unittest.TestCase):
    def test_join(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / 'c.conf').write_text('[b]\nexecutable = /bin/b\n')
            text = 'program,run,pid,t,label,dormant,cpu\nb,r,7,1.5,io,0,0.123456\ngone,r,8,1.5,io,0,1\n'
            (folder / '1').write_text(text)
            (folder / '2').write_text(text)
            done = subprocess.run([judge.here / 'pack.py', folder / '1', folder / '2', '-o', folder / 'o.xz', '--table', folder / 'c.conf'],
                                  stderr=subprocess.PIPE, text=True, check=True)
            self.assertIn('gone', done.stderr)
            _, rows = judge.read_rows(folder / 'o.xz')
            self.assertEqual([r['line'] for r in rows], [['b', 'r', '7', '1.5', 'io', '0', '0.1235'],
                                                         ['b', '2-r', '7', '1.5', 'io', '0', '0.1235']])


class Figures(unittest.TestCase):
    def test_macro_f1(self):
        m = judge.confusion(['idle', 'idle', 'server', 'server'], ['idle', 'server', 'server', 'batch'])
        # idle: precision 1, recall 1/2; server: precision 1/2, recall 1/2; batch has no rows and counts for nothing.
        self.assertAlmostEqual(judge.f1_scores(m)[0], 2 / 3)
        self.assertAlmostEqual(judge.f1_scores(m)[2], 1 / 2)
        self.assertIsNone(judge.f1_scores(m)[3])
        self.assertAlmostEqual(judge.macro_f1(m), (2 / 3 + 1 / 2) / 2)
        self.assertEqual(judge.macro_f1(judge.confusion([], [])), 0)

    def test_even_weights(self):
        rows = [row(0, 'batch', 'b'), row(1, 'batch', 'b'), row(2, 'batch', 'b'), row(3, 'batch', 'a-one'), row(4, 'io', 'c')]
        self.assertEqual(judge.even_weights(rows), [1 / 6, 1 / 6, 1 / 6, 1 / 2, 1])

    def test_calibration_error(self):
        # Nine in ten at 0.9: none. Half right at 0.8: 0.3.
        self.assertAlmostEqual(judge.calibration_error([1] * 9 + [0], [0.9] * 10), 0)
        self.assertAlmostEqual(judge.calibration_error([1, 0], [0.8, 0.8]), 0.3)
        # Weighted by rows: (10 * 0 + 10 * 0.3) / 20.
        self.assertAlmostEqual(judge.calibration_error([1] * 9 + [0] + [1, 0] * 5, [0.9] * 10 + [0.8] * 10), 0.15)
        # Errors in different bins do not cancel; certainty has a bin.
        self.assertAlmostEqual(judge.calibration_error([0, 1], [1.0, 0.35]), (1 + 0.65) / 2)
        self.assertEqual(judge.calibration_error([], []), 0)

    def test_reliability(self):
        bins = judge.reliability([True, False, True], [0.31, 0.35, 1.0])
        self.assertEqual(bins[3][0], 2)
        self.assertAlmostEqual(bins[3][1], 0.33)
        self.assertAlmostEqual(bins[3][2], 0.5)
        self.assertEqual(bins[9], (1, 1.0, 1.0))

    def test_interval(self):
        rows = [row(i, 'batch' if i % 2 else 'io', p) for p in ('a-one', 'b', 'c', 'd') for i in range(10)]
        truth = [r['label'] for r in rows]
        wrong = ['io'] * len(rows)
        self.assertEqual(judge.interval(rows, truth, truth, TABLE), (0, 0))
        low, high = judge.interval(rows, truth, wrong, TABLE)
        self.assertGreater(low, 0.5)
        self.assertLessEqual(low, high)


class Persistence(unittest.TestCase):
    def test_observable(self):
        rows = [row(t, 'idle') for t in (0, 2, 4, 6, 8)]
        rules = judge.Answer(['server', 'server', 'batch', 'batch', 'io'], [0.6] * 5)
        answer = judge.persistence(rows, rules)
        # At 4 the window is 0, 2, 4; at 6 it is 2, 4, 6; at 8 it is 4, 6, 8.
        self.assertEqual(answer.predicted, ['server', 'server', 'server', 'batch', 'batch'])
        self.assertAlmostEqual(answer.confidence[4], 2 / 3)

    def test_window_is_open_at_its_start(self):
        rows = [row(0, 'idle'), row(5, 'idle')]
        answer = judge.persistence(rows, judge.Answer(['server', 'batch'], [1, 1]))
        self.assertEqual(answer.predicted, ['server', 'batch'])

    def test_of_equals_the_later(self):
        rows = [row(0, 'idle'), row(2, 'idle')]
        self.assertEqual(judge.persistence(rows, judge.Answer(['server', 'batch'], [1, 1])).predicted, ['server', 'batch'])

    def test_processes_are_apart(self):
        rows = [row(0, 'idle', pid=1), row(1, 'idle', pid=2), row(2, 'idle', pid=1, run='s')]
        answer = judge.persistence(rows, judge.Answer(['server', 'batch', 'io'], [1, 1, 1]))
        self.assertEqual(answer.predicted, ['server', 'batch', 'io'])

    def test_dormant_is_idle(self):
        rows = [row(0, 'server'), row(2, 'server', dormant=True)]
        rules = judge.Answer(['server', 'idle'], [1, 1])
        self.assertEqual(judge.persistence(rows, rules).predicted, ['server', 'idle'])
        self.assertEqual(judge.oracle_persistence(rows, rules).predicted[1], 'idle')

    def test_oracle(self):
        rows = [row(0, 'server'), row(2, 'batch'), row(5, 'io'), row(7, 'io')]
        answer = judge.oracle_persistence(rows, judge.Answer(['memory'] * 4, [1] * 4))
        # Only labels whose five seconds are over.
        self.assertEqual(answer.predicted, ['memory', 'memory', 'server', 'batch'])


class Files(unittest.TestCase):
    def test_round_trip(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / 'rows.csv'
            path.write_text('program,run,pid,t,label,dormant,cpu\nb,r,7,1.5,io,0,0.25\nb,r,7,2.5,idle,1,0\n')
            header, rows = judge.read_rows(path)
            self.assertEqual((rows[0]['label'], rows[0]['t'], rows[0]['dormant'], rows[1]['dormant']), ('io', 1.5, False, True))
            judge.write_rows(path.with_name('copy'), header, rows)
            self.assertEqual(path.read_text(), path.with_name('copy').read_text())

    def test_other_files(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / 'rows.csv'
            path.write_text('program,cpu\n')
            self.assertRaises(SystemExit, judge.read_rows, path)

    def test_table(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / 'corpus.conf'
            path.write_text('# comment\n[b]\nexecutable = /bin/b\nclass = batch\nfamily = x\nrun = %(odd)s\n')
            self.assertEqual(judge.read_table(path), {'b': P('/bin/b', 'batch', 'x')})


if __name__ == '__main__':
    unittest.main()
