# SPDX-License-Identifier: GPL-2.0-or-later
"""Arithmetic of the effect bench, on plain lists: no files, no clock.

A gain is how many times lower a latency is than without treatment: 5 means a fifth of it. A share is gain divided by gain; a share by
logarithm compares the ways down, so that half of it is half the way on the logarithmic scale on which gains multiply."""
import math
import random


def percentile(values, q):
    """The smallest value that at least q (0 to 1) of all values do not exceed; infinity where there are none: nothing was answered."""
    if not values:
        return math.inf
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered) - 1e-9) - 1)]


def median(values):
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def geometric_mean(values):
    if not all(values):
        return 0.0
    return math.exp(sum(math.log(v) for v in values) / len(values))


def gain(untreated, treated):
    """Of the medians of two lists."""
    above, below = median(untreated), median(treated)
    return above / below if below else math.inf if above else 1.0


def interval(statistic, groups, rounds=2000, seed=1, level=0.95):
    """Bootstrap interval of statistic(groups), by percentiles. groups is a list of groups, each a list of equally long columns whose
    rows belong together (one repeat of all arms of a pair): whole rows are drawn, in each group by itself."""
    draw = random.Random(seed)
    found = []
    for _ in range(rounds):
        resampled = []
        for columns in groups:
            n = len(columns[0])
            rows = [draw.randrange(n) for _ in range(n)]
            resampled.append([[column[row] for row in rows] for column in columns])
        found.append(statistic(resampled))
    found.sort()
    tail = (1 - level) / 2
    return found[int(tail * rounds)], found[min(rounds - 1, int((1 - tail) * rounds))]


def median_interval(values, **options):
    return interval(lambda groups: median(groups[0][0]), [[values]], **options)


def share(of, best, by_logarithm=False):
    """What one gain is of another."""
    if not by_logarithm:
        return of / best
    return math.log(of) / math.log(best) if best > 1 else 1.0
