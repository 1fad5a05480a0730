#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The effect bench's arithmetic, choice of settings and table, on plain data."""
import math
import random
import sys
import unittest

sys.dont_write_bytecode = True

import figures
import report

FIELDS = {"p50": 1, "p99": 1, "p999": 1, "max": 1, "n": 10, "due": 10, "bad": 0, "seconds": 1, "rate": 10, "work": 1, "unit": "x", "hog_cpu": 1,
          "helper_cpu": 0, "foreign": 0, "hogs": "", "others": "", "error": "", "setting": ""}


def row(phase, repeat, pair, arm, p99, work=100.0, **more):
    session, victim, hog = pair
    return {key: str(v) for key, v in (FIELDS | {"phase": phase, "repeat": repeat, "session": session, "victim": victim, "hog": hog, "arm": arm,
                                                 "p99": p99, "work": work} | more).items()}


class Percentile(unittest.TestCase):
    def test_is_a_value_that_was_measured(self):
        values = list(range(1, 1001))
        random.Random(1).shuffle(values)
        self.assertEqual(figures.percentile(values, 0.5), 500)
        self.assertEqual(figures.percentile(values, 0.99), 990)
        self.assertEqual(figures.percentile(values, 0.999), 999)
        self.assertEqual(figures.percentile(values, 1), 1000)
        self.assertEqual(figures.percentile(values, 0), 1)

    def test_of_few(self):
        self.assertEqual(figures.percentile([7], 0.99), 7)
        self.assertEqual(figures.percentile([1, 9], 0.5), 1)
        self.assertEqual(figures.percentile([1, 9], 0.51), 9)

    def test_nothing_answered_is_no_good_latency(self):
        self.assertEqual(figures.percentile([], 0.99), math.inf)


class Means(unittest.TestCase):
    def test_median(self):
        self.assertEqual(figures.median([9, 1, 5]), 5)
        self.assertEqual(figures.median([9, 1, 5, 6]), 5.5)

    def test_geometric_mean(self):
        self.assertAlmostEqual(figures.geometric_mean([2, 8]), 4)
        self.assertAlmostEqual(figures.geometric_mean([0.5, 2, 1]), 1)

    def test_gain_is_of_medians(self):
        self.assertAlmostEqual(figures.gain([10, 1000, 20], [2, 1, 3]), 10)

    def test_hogs_that_got_nothing(self):
        self.assertEqual(figures.geometric_mean([0, 5]), 0)
        self.assertEqual(figures.gain([0], [5]), 0)
        self.assertEqual(figures.gain([5], [0]), math.inf)

    def test_share(self):
        self.assertAlmostEqual(figures.share(8, 16), 0.5)
        self.assertAlmostEqual(figures.share(8, 16, by_logarithm=True), 0.75)
        self.assertEqual(figures.share(0.9, 1.0, by_logarithm=True), 1.0)


class Interval(unittest.TestCase):
    def test_holds_the_median_and_repeats_itself(self):
        values = [5, 7, 4, 6, 9, 5, 30]
        low, high = figures.median_interval(values)
        self.assertEqual((low, high), figures.median_interval(values))
        self.assertTrue(4 <= low <= figures.median(values) <= high <= 30)
        self.assertLess(low, high)
        self.assertNotEqual((low, high), (min(values), max(values)))

    def test_of_equal_values_is_a_point(self):
        self.assertEqual(figures.median_interval([3] * 7), (3, 3))

    def test_wider_for_more_certainty(self):
        values = list(range(50))
        narrow, wide = figures.median_interval(values, level=0.5), figures.median_interval(values, level=0.99)
        self.assertTrue(wide[0] < narrow[0] and narrow[1] < wide[1])

    def test_rows_stay_together(self):
        # Each repeat has its own noise, the same for both columns: their ratio has none.
        noise = [1, 50, 3, 8, 900, 2, 4]
        both = [[n * 10 for n in noise], noise]
        low, high = figures.interval(lambda groups: figures.gain(*groups[0]), [both])
        self.assertAlmostEqual(low, 10)
        self.assertAlmostEqual(high, 10)

    def test_covers(self):
        draw = random.Random(3)
        held = 0
        for seed in range(200):
            low, high = figures.median_interval([draw.gauss(0, 1) for _ in range(15)], rounds=200, seed=seed)
            held += low <= 0 <= high
        self.assertGreater(held, 170)


A, B, C = ("same", "redis", "xz"), ("same", "pingpong", "xz"), ("different", "redis", "make")


class Choice(unittest.TestCase):
    def test_lowest_median_of_each_pair(self):
        rows = []
        for repeat, (nice, idle) in enumerate([(3, 5), (90, 4), (3, 6)]):
            rows += [row("choose", repeat, A, "hand", nice, setting="nice 19"), row("choose", repeat, A, "hand", idle, setting="SCHED_IDLE"),
                     row("choose", repeat, B, "hand", idle, setting="nice 19"), row("choose", repeat, B, "hand", nice, setting="SCHED_IDLE"),
                     row("choose", repeat, B, "alone", 1)]
        rows.append(row("choose", 3, A, "hand", 0.1, setting="cpu.idle", error="it broke"))
        self.assertEqual(report.choose(rows), {A: "nice 19", B: "SCHED_IDLE"})


def measured(pair, repeats=7, **p99):
    rows = []
    for repeat in range(repeats):
        for arm, (latency, work) in p99.items():
            rows.append(row("measure", repeat, pair, arm.replace("_", "-"), latency * (1 + repeat / 100), work))
    return rows


class Report(unittest.TestCase):
    def setUp(self):
        self.rows = (measured(A, nothing=(8000, 100), hand=(500, 80), aikmd=(1000, 76)) + measured(B, nothing=(1800, 10), hand=(200, 8), aikmd=(200, 8))
                     + measured(C, nothing=(1000, 10), hand=(500, 10), aikmd=(1040, 10)))

    def test_gain_hogs_and_share(self):
        table = report.Table(self.rows)
        same = table.of(("same",))
        self.assertEqual(len(same), 2)
        self.assertAlmostEqual(table.gain(same, "aikmd")[0], math.sqrt(8 * 9))
        self.assertAlmostEqual(table.gain(same, "hand")[0], math.sqrt(16 * 9))
        self.assertAlmostEqual(table.shares(same, "aikmd")[0], math.sqrt(0.5))
        self.assertAlmostEqual(table.hogs(same, "aikmd", "hand")[0], math.sqrt(0.95))
        self.assertAlmostEqual(table.hogs(same, "aikmd")[0], math.sqrt(0.76 * 0.8))

    def test_targets(self):
        text = "\n".join(report.targets(report.Table(self.rows), "aikmd"))
        self.assertIn("8.49 times lower", text)
        self.assertRegex(text, r"at least 5: met")
        self.assertRegex(text, r"0\.71 of the best hand-made setting's gain in the same session .*missed")
        self.assertRegex(text, r"worst pair \(redis beside make, different session\) p99 is 1\.04 .*missed")
        self.assertRegex(text, r"hogs' throughput 0\.98 of .*: met")

    def test_a_repeat_that_one_arm_lacks_is_left_out_for_both(self):
        rows = measured(A, repeats=3, nothing=(100, 1), aikmd=(10, 1)) + [row("measure", 3, A, "nothing", 9e9)]
        self.assertAlmostEqual(report.Table(rows).gain([A], "aikmd")[0], 10)

    def test_page(self):
        rows = self.rows + [row("choose", 0, A, "hand", 3, setting="nice 19"), row("choose", 0, A, "alone", 300),
                            row("measure", 7, A, "aikmd", 1, error="it broke")]
        page = report.page(rows, "a machine", "a command")
        self.assertIn("| same | redis, xz | 0.30 | 8.24 [", page)
        self.assertIn("(nice 19)", page)
        self.assertNotIn("inf", page)
        for line in page.split("\n"):
            if line.startswith("| ---"):
                width = line.count("|")
            elif line.startswith("| s") and "redis" in line:
                self.assertIn(line.count("|"), (width, 13))

    def test_nothing_measured(self):
        self.assertEqual(report.page([row("measure", 0, A, "aikmd", 1, error="it broke")], "", ""), "nothing was measured\n")


if __name__ == "__main__":
    sys.argv.append("--quiet")
    unittest.main()
