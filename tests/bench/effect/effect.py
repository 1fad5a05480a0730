#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the latency of programs that people wait for is worth beside hogs, by what is done about the hogs: programs.py has the programs,
arms.py the arms. Each cell is a scene of its own, started afresh; the arms of a pair follow each other in shuffled order, repeat by
repeat. First the hand-made settings are compared, pair by pair; the best one of each pair goes through the measured repeats as one arm.

  effect.py -o DIR --aikmd BUILD/daemon/aikmd            all of it: about 80 minutes on two CPUs, and packages that it installs
  effect.py -o DIR --aikmd … --resume                    goes on where an earlier one was ended
  effect.py -o DIR --report                              the table again, from DIR/cells.csv
  effect.py --aikmd … --quick                            two pairs, once: a look, no proof

Takes root, and /usr/bin/python3 alone. Writes DIR/cells.csv, a line a cell, and DIR/effect.md, the table."""
import argparse
import csv
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import arms
import keeper
import programs
import report
import scene as scenes
from scene import HERE, Failed

SYSCTL = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
FIELDS = ("phase repeat session victim hog arm setting p50 p99 p999 max n due bad seconds rate work unit hog_cpu helper_cpu ledger foreign "
          "wait_share wait_slice hogs others error").split()
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHOOSE_REPEATS = 2
SETTLE_BY_HAND = 1.5  # nobody has to find out
OVERHEAD = 1.3  # seconds a cell, beside settling and measuring


class Interrupted(BaseException):
    pass


class Cell:
    """What the arms see of a cell."""

    def __init__(self, bench, folder):
        self.folder, self.keeper, self.aikmd, self.models = folder, bench.keeper, bench.options.aikmd, bench.options.models
        self.settings = bench.options.settings
        self.scene = self.helper = self.cgroup = None

    def scheduling(self):
        return scenes.scheduling(self.scene.hog_pids()), scenes.scheduling(self.scene.victim_pids())

    def ledger_entries(self):
        """What aikmd has changed and not put back."""
        told = scenes.read(self.folder / "aikmd/ledger")
        return told.count('{"op":"begin"') - told.count('{"op":"end"')

    def helper_seconds(self):
        told = scenes.read(f"/proc/{self.helper.pid}/schedstat") if self.helper else ""
        return int(told.split()[0]) / 1e9 if told else 0.0

    def end(self):
        """Whatever state it is in."""
        if self.helper and self.helper.poll() is None:
            self.helper.terminate()
            try:
                self.helper.wait(20)
            except subprocess.TimeoutExpired:
                self.helper.kill()
                self.helper.wait()
        if self.scene:
            self.scene.end()
        if self.cgroup and not keeper.remove_group(self.cgroup):
            raise Failed(f"{self.cgroup} is left")


class Bench:
    def __init__(self, options):
        self.options = options
        self.rows = []
        self.keeper = keeper.Keeper()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="aikm-effect.", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.memory = pathlib.Path(tempfile.mkdtemp(prefix="aikm-effect.", dir="/dev/shm"))
        self.keeper.tell("folder", self.folder)
        self.keeper.tell("folder", self.memory)
        self.folder.chmod(0o755)
        self.memory.chmod(0o755)
        self.autogroup = SYSCTL.read_text().strip() if SYSCTL.exists() else None
        if self.autogroup is not None:
            self.keeper.tell("sysctl", f"{SYSCTL}={self.autogroup}")
        self.number = 0

    def prepare(self, pairs):
        what = sorted({data for _, victim, hog in pairs for data in programs.VICTIMS[victim].data + programs.HOGS[hog].data})
        done = subprocess.run([*scenes.NAMESPACE, HERE / "prepare.sh", self.folder / "data", *what], check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit("effect.py: the data could not be prepared")

    def measure(self, cell, arm, hog, settle):
        """One window. Fills what the row shall hold."""
        options, scene = self.options, cell.scene
        scene.wait_serves()
        arm.before(cell)
        time.sleep(0.3)
        scene.start_hogs()
        begun = time.monotonic()
        arm.begin(cell)
        time.sleep(max(0.0, begun + settle - time.monotonic()))
        scene.alive()
        busy, helped = scenes.machine_busy(), cell.helper_seconds()
        waited = scenes.waits(scene.victim_pids())
        since, work, cpu, all_cpu = scene.progress()
        window = scene.measure(options.seconds)
        next(window)
        until, work_end, cpu_end, all_cpu_end = scene.progress()
        took = until - since
        helped = cell.helper_seconds() - helped
        share, per_slice = scenes.worst_wait(waited, scenes.waits(scene.victim_pids()), took)
        foreign = scenes.machine_busy() - busy - (all_cpu_end - all_cpu) - helped
        scene.alive()
        hogs, others = cell.scheduling()
        ledger = cell.ledger_entries()
        row = next(window)
        arm.end(cell)
        scale = programs.HOGS[hog].scale if scene.hog else 0
        if scene.hog and scene.hog.work == "bogo":
            scale *= scene.bogo_rate()
        row.update(seconds=round(took, 3), rate=row["n"] / options.seconds, work=(work_end - work) / took * scale,
                   unit=programs.HOGS[hog].unit, hog_cpu=(cpu_end - cpu) / took, helper_cpu=helped / took, ledger=ledger,
                   foreign=max(0.0, foreign / took), wait_share=share, wait_slice=per_slice, hogs=hogs, others=others)
        return row

    def run(self, arm, session, victim, hog, settle, alone=False):
        """A row; one with `error` where it could not be measured."""
        autogroup = arm.autogroup[session] if isinstance(arm.autogroup, dict) else arm.autogroup
        if autogroup and self.autogroup is None:
            return {"error": "this kernel has no autogroups"}
        self.number += 1
        folder = self.folder / str(self.number)
        folder.mkdir(mode=0o755)
        cell = Cell(self, folder)
        if self.autogroup is not None:
            SYSCTL.write_text(str(autogroup))
        try:
            cell.scene = scenes.Scene(folder / "run", self.memory / str(self.number), self.options.tools, self.folder / "data", programs.VICTIMS[victim],
                                      None if alone else programs.HOGS[hog], session)
            return self.measure(cell, arm, hog, settle)
        except (Failed, OSError) as e:
            return {"error": str(e)}
        finally:
            cell.end()
            self.keep_log(folder / "helper.log", f"{session} {victim} {hog}")
            scenes.remove(folder)

    def keep_log(self, log, head):
        """What aikmd said goes to a file beside the results."""
        told = scenes.read(log)
        if told and self.options.out:
            with open(pathlib.Path(self.options.out) / "log", "a", encoding="utf-8") as f:
                f.write(f"== {self.number} {head}\n{told}")

    def cell(self, phase, repeat, pair, name, setting):
        session, victim, hog = pair
        alone = name == "alone"
        arm = arms.ALONE if alone else arms.SETTINGS[setting] if setting else arms.ARMS[name]
        settle = min(self.options.settle, SETTLE_BY_HAND) if phase == "choose" else self.options.settle
        row = self.run(arm, session, victim, hog, settle, alone)
        row = {field: row.get(field, "") for field in FIELDS} | {"phase": phase, "repeat": repeat, "session": session, "victim": victim,
                                                                 "hog": hog, "arm": name, "setting": setting}
        self.rows.append({key: str(value) for key, value in row.items()})
        head = f"{session:9} {victim:10} {hog:9} {setting or name:17}"
        if row["error"]:
            print(f"{head} {row['error']}", flush=True)
        else:
            print(f"{head} p50 {row['p50']:6.0f} p99 {row['p99']:7.0f} max {row['max']:7.0f} µs n {row['n']:4} | {row['work']:8.3g} {row['unit']}, "
                  f"{row['hog_cpu']:.2f} CPUs | waits {row['wait_share']:.3f} of the "
                  f"time, {row['wait_slice']:.0f} µs a slice | foreign {row['foreign']:.2f} | ledger {row['ledger']} "
                  f"| hogs: {row['hogs'] or '-'} | others: {row['others']}", flush=True)
        return row

    def end(self):
        self.keeper.end()


def install(pairs):
    """Packages of what runs; none of their services starts by itself."""
    wanted = {p for _, victim, hog in pairs for p in programs.VICTIMS[victim].packages + programs.HOGS[hog].packages}
    wanted |= {"util-linux", "iproute2"}

    def is_installed(package):
        told = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True, check=False)
        return told.stdout == "installed"
    missing = sorted(p for p in wanted if not is_installed(p))
    if not missing:
        return
    print("installing:", *missing, file=sys.stderr)
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    # Neither the bench nor apt is to end halfway.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    quiet = {"stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    try:
        subprocess.run([*apt, "update"], check=False, **quiet)
        subprocess.run([*apt, "install", "-y", "--no-install-recommends", *missing], check=True, **quiet)
    except subprocess.CalledProcessError:
        sys.exit("effect.py: not all packages could be installed")
    finally:
        if made:
            policy.unlink()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def plan_choice(options, pairs):
    """The first pass: every hand-made setting and the victim alone."""
    for repeat in range(CHOOSE_REPEATS):
        for pair in pairs:
            names = [("alone", "")]
            if "hand" in options.arms:
                names += [("hand", name) for name in arms.settings(pair[0], programs.HOGS[pair[2]])]
            random.Random(f"{options.seed} choose {repeat} {pair}").shuffle(names)
            for name, setting in names:
                yield "choose", repeat, pair, name, setting


def plan_measured(options, pairs, chosen):
    for repeat in range(options.repeats):
        order = list(pairs)
        random.Random(f"{options.seed} {repeat}").shuffle(order)
        for pair in order:
            names = [name for name in options.arms if name != "hand" or pair in chosen]
            random.Random(f"{options.seed} {repeat} {pair}").shuffle(names)
            for name in names:
                yield "measure", repeat, pair, name, chosen[pair] if name == "hand" else ""


def key(row):
    return tuple(str(row[field]) for field in ("phase", "repeat", "session", "victim", "hog", "arm", "setting"))


def run_plan(bench, cells, done, out):
    for phase, repeat, pair, name, setting in cells:
        if (phase, str(repeat), *pair, name, setting) in done:
            continue
        row = bench.cell(phase, repeat, pair, name, setting)
        if out:
            out.writerow(row)


def work_through(bench, pairs, out):
    options = bench.options
    done = {key(row) for row in bench.rows}
    if options.quick:
        # No pass to choose in: nice 19 stands for the hand-made ones.
        chosen = {pair: "nice 19" for pair in pairs}
    else:
        run_plan(bench, plan_choice(options, pairs), done, out)
        chosen = report.choose(bench.rows)
    run_plan(bench, plan_measured(options, pairs, chosen), done, out)


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    if rows and set(rows[0]) != set(FIELDS):
        sys.exit(f"{path}: not written by this bench: its columns are {' '.join(rows[0])}")
    return [row for row in rows if not row["error"]]


def choose_pairs(options):
    """Which pairs of the tables the options name."""
    if options.quick and not options.pairs:
        return programs.QUICK_PAIRS
    known = [(s, v, h) for s in arms.BOTH for v in programs.VICTIMS for h in programs.HOGS]
    if not options.pairs:
        return [p for p in programs.PAIRS if not options.session or p[0] == options.session]
    pairs = []
    for text in options.pairs.split(","):
        victim, _, hog = text.partition(":")
        found = [p for p in known if p[1] == victim and (not hog or p[2] == hog) and p[0] == (options.session or "same")]
        if not found:
            sys.exit(f"--pairs: {text} is not VICTIM or VICTIM:HOG of {', '.join(programs.VICTIMS)} and {', '.join(programs.HOGS)}")
        pairs += found
    return pairs


def bounded(kind, low, high):
    def parse(text):
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not from {low} to {high}")
        return value
    return parse


def parse_options(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-o", dest="out", metavar="DIR", help="folder of the results")
    p.add_argument("--aikmd", metavar="PROGRAM", help="the daemon to measure, in its build folder: the bench's own tools are looked for beside it")
    p.add_argument("--models", metavar="DIR", default=str(HERE.parents[2] / "models/data"), help="folder of the shipped models")
    p.add_argument("--pairs", metavar="VICTIM[:HOG],…", help="these pairs; a victim alone takes every hog")
    p.add_argument("--session", choices=arms.BOTH, help="of --pairs (default: same); or these of the default pairs")
    p.add_argument("--arms", metavar="ARM,…", default=",".join(arms.ARMS), help="default: %(default)s")
    p.add_argument("--repeats", type=bounded(int, 1, 100), default=7)
    p.add_argument("--seconds", type=bounded(float, 0.5, 600), help="of a window (default: 3; with --quick 2)")
    p.add_argument("--settle", type=bounded(float, 0.5, 600), help="seconds from the hogs' start to the window (default: 4; with --quick 3)")
    p.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="for aikmd, as its own option; repeatable")
    p.add_argument("--seed", type=int, default=1, help="of the order (default: %(default)s)")
    p.add_argument("--resume", action="store_true", help="go on with DIR/cells.csv: cells that are there are not measured again")
    p.add_argument("--report", action="store_true", help="measure nothing, write the table")
    p.add_argument("--quick", action="store_true", help="two pairs, one repeat, nothing installed")
    options = p.parse_args(argv)
    options.arms = options.arms.split(",")
    unknown = [a for a in options.arms if a not in arms.ARMS]
    if unknown:
        p.error(f"--arms: {unknown[0]} is not one of {', '.join(arms.ARMS)}")
    if not options.out and not options.quick:
        p.error("-o DIR is needed")
    if not options.report:
        if not options.aikmd or not os.access(options.aikmd, os.X_OK):
            p.error("--aikmd PROGRAM is needed")
        options.aikmd = os.path.realpath(options.aikmd)
        options.tools = pathlib.Path(options.aikmd).parents[1] / "tests/bench/effect"
        if not (options.tools / "effect-client").exists():
            p.error(f"{options.tools}/effect-client is not there: build it with the daemon")
    if options.quick:
        options.repeats = 1
    options.seconds = options.seconds or (2.0 if options.quick else 3.0)
    options.settle = options.settle or (3.0 if options.quick else 4.0)
    return options


def measure_all(options, cells):
    """Rows of everything; with --resume, what `cells` has already is not measured again."""
    pairs = choose_pairs(options)
    if not options.quick:
        install(pairs)
    taken = socket.socket(socket.AF_UNIX)
    try:
        taken.bind("\0aikm-effect")
    except OSError:
        sys.exit("effect.py: another one runs")
    chosen, tried = {pair: "" for pair in pairs}, 0 if options.quick else len(list(plan_choice(options, pairs)))
    n = len(list(plan_measured(options, pairs, chosen)))
    took = n * (options.seconds + options.settle + OVERHEAD) + tried * (options.seconds + SETTLE_BY_HAND + OVERHEAD)
    print(f"{n + tried} cells, about {took / 60:.0f} minutes", file=sys.stderr)
    bench = Bench(options)
    try:
        bench.prepare(pairs)
        if not cells:
            work_through(bench, pairs, None)
            return bench.rows
        if options.resume and cells.exists():
            bench.rows = read_rows(cells)
        # Failed cells are measured again, so they leave the file.
        with open(cells, "w", newline="", encoding="utf-8", buffering=1) as f:
            out = csv.DictWriter(f, FIELDS)
            out.writeheader()
            out.writerows(bench.rows)
            work_through(bench, pairs, out)
        return bench.rows
    finally:
        bench.end()


def main(argv):
    options = parse_options(argv)

    def interrupt(number, _):
        for n in ENDING:
            signal.signal(n, signal.SIG_IGN)
        raise Interrupted(number)
    cells = pathlib.Path(options.out) / "cells.csv" if options.out else None
    if options.report:
        rows = read_rows(cells)
    else:
        if os.getuid() != 0:
            sys.exit("effect.py: namespaces and the figures of every process need root")
        if cells:
            cells.parent.mkdir(parents=True, exist_ok=True)
            if cells.exists() and not options.resume:
                sys.exit(f"effect.py: {cells} is there: --resume goes on with it")
        for number in ENDING:
            signal.signal(number, interrupt)
        try:
            rows = measure_all(options, cells)
        except Interrupted as e:
            print("effect.py: interrupted", file=sys.stderr)
            return 128 + e.args[0]
    if options.quick:
        print(report.brief(rows))
        return 0
    text = report.page(rows, report.machine(options.aikmd), " ".join(["tests/bench/effect/effect.py", *argv]))
    (pathlib.Path(options.out) / "effect.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
