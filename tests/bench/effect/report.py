# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of cells.csv to a page of Markdown, and which hand-made setting is the best one of a pair."""
import collections
import datetime
import os
import pathlib
import platform
import re
import subprocess

import arms
import figures
import programs

TARGET_GAIN, TARGET_SHARE, TARGET_HOGS, TARGET_WORST = 5.0, 0.90, 0.90, 1.03


def columns(rows, phase, field):
    """{(session, victim, hog): {arm or setting: {repeat: value}}} of what was measured."""
    found = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in rows:
        if row["phase"] == phase and not row["error"]:
            name = row["setting"] if phase == "choose" and row["setting"] else row["arm"]
            found[row["session"], row["victim"], row["hog"]][name][row["repeat"]] = float(row[field])
    return found


def choose(rows):
    """Of each pair the hand-made setting with the lowest median p99."""
    chosen = {}
    for pair, by_setting in columns(rows, "choose", "p99").items():
        medians = {name: figures.median(by_repeat.values()) for name, by_repeat in by_setting.items() if name != "alone"}
        if medians:
            chosen[pair] = min(medians, key=lambda name: (medians[name], name))
    return chosen


class Table:
    """The measured cells, by pair, arm and repeat; a pair's repeats are those that all of its arms have."""

    def __init__(self, rows):
        self.p99, self.work = columns(rows, "measure", "p99"), columns(rows, "measure", "work")
        self.all = {field: columns(rows, "measure", field) for field in ("p50", "p99", "p999", "rate", "work", "foreign", "helper_cpu")}
        self.pairs = sorted(self.p99, key=lambda pair: (arms.BOTH.index(pair[0]), *pair[1:]))
        self.arms = [name for name in arms.ARMS if any(name in self.p99[pair] for pair in self.pairs)]

    def of(self, sessions):
        return [pair for pair in self.pairs if pair[0] in sessions]

    def lists(self, pair, names, field):
        """Of each name its values in the repeats that all of them have; None where there are none."""
        data = self.all[field][pair]
        repeats = sorted(set.intersection(*(set(data[name]) for name in names)), key=int)
        return [[data[name][r] for r in repeats] for name in names] if repeats else None

    def gain(self, pairs, arm, base="nothing"):
        """(geometric mean of base's p99 by arm's, its interval)."""
        return self.ratio(pairs, base, arm, "p99")

    def hogs(self, pairs, arm, base="nothing"):
        """(geometric mean of the hogs' throughput under arm by that under base, its interval)."""
        return self.ratio(pairs, arm, base, "work")

    def ratio(self, pairs, above, below, field):
        groups = [g for g in (self.lists(pair, (above, below), field) for pair in pairs) if g]
        if not groups:
            return None

        def mean(groups):
            return figures.geometric_mean([figures.gain(a, b) for a, b in groups])
        return mean(groups), figures.interval(mean, groups)

    def shares(self, pairs, arm):
        """What arm's gain is of hand's: (of the gains, of their logarithms, interval of the first)."""
        groups = [g for g in (self.lists(pair, ("nothing", arm, "hand"), "p99") for pair in pairs) if g]
        if not groups:
            return None

        def mean(groups, which):
            return figures.geometric_mean([figures.gain(g[0], g[which]) for g in groups])

        def share(groups):
            return figures.share(mean(groups, 1), mean(groups, 2))
        return share(groups), figures.share(mean(groups, 1), mean(groups, 2), by_logarithm=True), figures.interval(share, groups)


def ms(usec):
    value = usec / 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(table, pair, arm):
    values = table.lists(pair, (arm,), "p99")
    if not values:
        return "–"
    low, high = figures.median_interval(values[0])
    told = f"{ms(figures.median(values[0]))} [{ms(low)}–{ms(high)}]"
    hogs = table.hogs([pair], arm)
    return told + (f" · {hogs[0]:.2f}" if hogs and arm != "nothing" else "")


def line(cells):
    return "| " + " | ".join(cells) + " |"


def main_table(table, alone, chosen):
    out = [line(["session", "victim, hogs", "alone", *table.arms]), line(["---"] * (len(table.arms) + 3))]
    for pair in table.pairs:
        by_repeat = alone.get(pair, {}).get("alone", {})
        cells = [pair[0], f"{pair[1]}, {pair[2]}", ms(figures.median(by_repeat.values())) if by_repeat else "–"]
        for arm in table.arms:
            cells.append(cell(table, pair, arm) + (f" ({chosen[pair]})" if arm == "hand" and pair in chosen else ""))
        out.append(line(cells))
    for session in arms.BOTH:
        pairs = table.of((session,))
        if not pairs:
            continue
        cells = [f"**{session}**", "**gain · hogs, geometric mean**", ""]
        for arm in table.arms:
            gain, hogs = table.gain(pairs, arm), table.hogs(pairs, arm)
            cells.append(f"**{gain[0]:.2f}** [{gain[1][0]:.2f}–{gain[1][1]:.2f}] · {hogs[0]:.2f}" if gain and hogs and arm != "nothing" else "")
        out.append(line(cells))
    return out


def verdict(is_met):
    return "met" if is_met else "**missed**"


def targets(table, arm):
    """What the targets say of an arm, a line each."""
    out = []
    same, every = table.of(("same",)), table.pairs
    gain = table.gain(same, arm)
    if gain:
        out.append(f"p99 in the same session {gain[0]:.2f} times lower than with nothing [{gain[1][0]:.2f}–{gain[1][1]:.2f}]; target at least "
                   f"{TARGET_GAIN:.0f}: {verdict(gain[0] >= TARGET_GAIN)}")
    for name, pairs in (("the same session", same), ("different sessions", table.of(("different",)))):
        shares = table.shares(pairs, arm)
        if shares:
            out.append(f"{shares[0]:.2f} of the best hand-made setting's gain in {name} [{shares[2][0]:.2f}–{shares[2][1]:.2f}], {shares[1]:.2f} of "
                       f"it by logarithms; target at least {TARGET_SHARE:.2f}: {verdict(shares[0] >= TARGET_SHARE)}")
    hogs = table.hogs(every, arm, "hand")
    if hogs:
        out.append(f"the hogs' throughput {hogs[0]:.2f} of that under the best hand-made setting [{hogs[1][0]:.2f}–{hogs[1][1]:.2f}]; target at least "
                   f"{TARGET_HOGS:.2f}: {verdict(hogs[0] >= TARGET_HOGS)}")
    worst = [(1 / found[0], 1 / found[1][1], 1 / found[1][0], pair) for pair in every if (found := table.gain([pair], arm))]
    if worst:
        ratio, low, high, pair = max(worst)
        out.append(f"on its worst pair ({pair[1]} beside {pair[2]}, {pair[0]} session) p99 is {ratio:.2f} of that with nothing [{low:.2f}–{high:.2f}]; "
                   f"target at most {TARGET_WORST:.2f}: {verdict(ratio <= TARGET_WORST)}")
    beside = table.gain(table.of(("different",)), arm, "autogroup")
    if beside:
        out.append(f"p99 in different sessions {beside[0]:.2f} times lower than with autogroup alone [{beside[1][0]:.2f}–{beside[1][1]:.2f}]")
    return out


def medians(table):
    out = [line(["session", "victim", "hogs", "arm", "p50", "p99", "p99.9", "answers/s", "hogs' work", "foreign CPUs", "CPU of aikmd or the rules", "n"]),
           line(["---"] * 12)]
    for pair in table.pairs:
        for arm in table.arms:
            got = {field: table.lists(pair, (arm,), field) for field in table.all}
            if got["p99"]:
                m = {field: figures.median(values[0]) for field, values in got.items()}
                out.append(line([*pair, arm, ms(m["p50"]), ms(m["p99"]), ms(m["p999"]), f"{m['rate']:.0f}", f"{m['work']:.4g} {programs.HOGS[pair[2]].unit}",
                                 f"{m['foreign']:.2f}", f"{m['helper_cpu'] * 100:.1f} %" if m["helper_cpu"] else "", str(len(got["p99"][0]))]))
    return out


def machine(aikmd=None):
    """A line on where it was measured."""
    told = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", told, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)
    version = ""
    if aikmd:
        version = subprocess.run([aikmd, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0] + ", "
    return (f"{version}{os.cpu_count()} CPUs ({model[1] if model else platform.machine()}), {int(memory[1]) / 1048576:.0f} GiB, Linux "
            f"{platform.release()}, {datetime.date.today()}")


def page(rows, where, command):
    rows = [row for row in rows if not row["error"]]
    table = Table(rows)
    if not table.pairs or not table.arms:
        return "nothing was measured\n"
    chosen, alone = choose(rows), columns(rows, "choose", "p99")
    out = ["# What demotion buys", "",
           "Latency of programs that people wait for beside hogs on the same CPUs, by what is done about the hogs. Made by", "",
           f"    {command}", "", f"on {where}.", "",
           "Each cell: the median over the repeats of the p99 in ms, its 95 % bootstrap interval, and the hogs' throughput relative to that with nothing.",
           "Latency counts from when a request was due at a fixed mean rate; one that is not answered counts with what it has waited. A gain is how many",
           "times lower p99 is than with nothing. Sessions: `same`, hogs, victim and its load in one; `different`, the hogs in one of their own.", ""]
    out += main_table(table, alone, chosen)
    for arm in ("aikmd", "aikmd-rules"):
        if arm in table.arms:
            out += ["", f"{arm}:", ""] + [f"- {text}" for text in targets(table, arm)]
    out += ["", "## What is what", "", "Arms:", ""]
    out += [f"- {name}: {arms.ARMS[name].what}" for name in table.arms]
    out += ["", "Hand-made settings. Each was tried on each pair in a pass before, with which `alone` was measured, too; the one with the lowest p99 is the",
            "pair's `hand`:", ""]
    for name, arm in arms.SETTINGS.items():
        where = "; tried where sessions differ" if arm.sessions != arms.BOTH else "; tried on fio" if "I/O" in name else ""
        out.append(f"- {name}: {arm.what}{where}")
    out += ["", "Victims:", ""] + [f"- {v}: {programs.VICTIMS[v].what}" for v in programs.VICTIMS if any(p[1] == v for p in table.pairs)]
    out += ["", "Hogs:", ""] + [f"- {h}: {programs.HOGS[h].what}; in {programs.HOGS[h].unit}" for h in programs.HOGS if any(p[2] == h for p in table.pairs)]
    out += ["", "## Medians", "", "Latencies in ms. Foreign: CPUs used by what is not of the bench, or taken from this virtual machine.", ""]
    out += medians(table)
    return "\n".join(out) + "\n"


def brief(rows):
    """A few lines for one repeat."""
    out = [f"{'effect, one repeat':40} {'p50 ms':>8} {'p99 ms':>8} {'hogs':>14}"]
    for row in sorted(rows, key=lambda row: (row["session"], row["victim"], row["hog"], list(arms.ARMS).index(row["arm"]))):
        head = f"{row['victim']}, {row['hog']}, {row['session']}: {row['arm']}"
        out.append(f"{head:40} " + (row["error"] or f"{ms(float(row['p50'])):>8} {ms(float(row['p99'])):>8} {float(row['work']):8.4g} {row['unit']}"))
    return "\n".join(out)
