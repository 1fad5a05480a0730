#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the workloads of corpus.conf and writes down what they were: the part of record.sh that knows the table.

    record.py slots --work W [--first N] [--slots N] [--seconds N] OUTPUT-DIRECTORY
    record.py smoke --work W [--together N] [--rounds N] [--only NAME]... OUTPUT-DIRECTORY
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import corpus

HERE = pathlib.Path(__file__).resolve().parent
CLOCK_TICKS = os.sysconf('SC_CLK_TCK')
SAMPLE_EVERY = 2.0
SMOKE_PHASE, SMOKE_PAUSE = 5, 9  # seconds of a phase when a workload is only tried
SMOKE_LONG = 15  # without phases
AGE_LEAST = 7  # s: younger processes give no rows that look five seconds ahead

Process = collections.namedtuple('Process', 'ppid sid comm')
# What the figures of /proc should look like, by class: (what, least, most).
KINDS = {
    'batch': (('wants', 0.6, None),),
    'server': (('switches', 2, None),),
    'interactive': (('switches', 0.3, None), ('cpu', None, 0.6)),
    'io': (('bytes', 100e3, None),),
    'memory': (('faults', 1000, None),),
    'idle': (('cpu', None, 0.05), ('switches', None, 200)),
}


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def processes():
    """{pid: Process} of the whole machine; what ends meanwhile is left out."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            text = pathlib.Path('/proc', pid, 'stat').read_text(errors='replace')
        except OSError:
            continue
        comm, rest = text[text.index('(') + 1:text.rindex(')')], text[text.rindex(')') + 2:].split()
        if rest[0] not in 'ZX':
            found[int(pid)] = Process(int(rest[1]), int(rest[3]), comm)
    return found


def figures(pid):
    """What a process and its threads have used so far."""
    root = pathlib.Path('/proc', str(pid))
    try:
        rest = (root / 'stat').read_text(errors='replace').rpartition(')')[2].split()
        io = dict(line.split(': ') for line in (root / 'io').read_text().splitlines())
        switches = wants = 0
        for task in (root / 'task').iterdir():
            # On a CPU or waiting for one: what it would use if it were alone.
            wants += sum(map(int, (task / 'schedstat').read_text().split()[:2])) / 1e9
            for line in (task / 'status').read_text(errors='replace').splitlines():
                if line.startswith('voluntary'):
                    switches += int(line.split()[1])
    except (OSError, ValueError):
        return None
    return {'age': now() - int(rest[19]) / CLOCK_TICKS, 'cpu': (int(rest[11]) + int(rest[12])) / CLOCK_TICKS, 'faults': int(rest[7]), 'switches': switches, 'wants': wants,
            'bytes': int(io['read_bytes']) + int(io['write_bytes'])}


class Run:
    """One workload, or neighbours that only make noise, in a session and namespaces of its own."""

    def __init__(self, table, start, work, phases=None):
        self.workload = table.get(start.name)
        self.number = start.round
        self.name = f'{start.name or "noise"}.{start.round}'
        self.comms = list(self.workload.comms) if self.workload else []
        if not self.workload:
            for hog in start.hogs:
                self.comms += table[hog].comms
        self.folder = work / 'run' / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.folder.parent.chmod(0o755)
        commands = ''.join(f'(unset PHASES; R={start.round + i}; mkdir hog{i}; cd hog{i} || exit\n{table[hog].run}\nwait) &\n'
                           for i, hog in enumerate(start.hogs))
        if self.workload:
            commands += self.workload.run + '\n'
        (self.folder / 'commands').write_text(commands)
        env = dict(os.environ, R=str(start.round), D=str(work / 'data'), KEYS=str(work / 'keys'))
        if self.workload and self.workload.clocked:
            phases = phases or self.workload.phases_of(start.round)
            env['PHASES'] = ' '.join(f'{p.name}:{p.seconds}' for p in phases)
        self.phases = phases
        self.begin = now()
        self.end = None
        self.log = work / 'run' / f'{self.name}.log'
        options = ('t' if start.tty else '') + ('n' if start.niced else '')
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL', 'unshare', '--pid', '--fork', '--kill-child=KILL', '--mount-proc', '--net',
                 '--ipc', 'bash', str(HERE / 'session.sh'), options],
                cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def zero(self):
        try:
            return float((self.folder / 'zero').read_text())
        except (OSError, ValueError):
            return None

    def notes(self):
        try:
            return [float(line.split()[0]) for line in (self.folder / 'zero.notes').read_text().splitlines()]
        except (OSError, ValueError, IndexError):
            return None

    def members(self, all_processes):
        """pid: process name, of this session and of what descends from it."""
        root, found, children = self.process.pid, {}, collections.defaultdict(list)
        for pid, p in all_processes.items():
            children[p.ppid].append(pid)
        queue = [pid for pid, p in all_processes.items() if pid == root or p.sid == root]
        while queue:
            pid = queue.pop()
            if pid not in found and pid in all_processes:
                found[pid] = all_processes[pid].comm
                queue += children[pid]
        return found

    def program_of(self, comm):
        for pattern, program in self.comms:
            if corpus.fnmatch.fnmatchcase(comm, pattern):
                return program
        return None

    def stop(self):
        # The kernel ends the namespace with its first process.
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.end = now()

    def clean(self):
        for _ in range(50):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                return
            time.sleep(0.1)

    def complaint(self):
        lines = [l for l in self.log.read_text(errors='replace').splitlines() if l.strip() and 'Killed' not in l]
        return lines[-1][:160] if lines else 'nothing was said'

    def label(self, table):
        """Its entry in labels.json."""
        entry = {'run': self.name, 'root': self.process.pid, 'start': round(self.begin, 2), 'end': round(self.end, 2), 'comms': {}}
        for pattern, program in self.comms:
            entry['comms'].setdefault(pattern, program and {'program': program, 'class': table[program].intent})
        if self.workload:
            phases = corpus.label_phases(self.workload, self.number, self.begin, self.zero(), self.end, self.notes())
            if phases is not None:
                entry['phases'] = phases
        return entry


class Labels:
    """labels.json, good to read after every slot."""

    def __init__(self, path):
        self.path, self.runs = path, []

    def add(self, entries):
        self.runs += entries
        text = ',\n'.join('  ' + json.dumps(r) for r in self.runs)
        part = self.path.with_suffix('.part')
        part.write_text('{"runs": [\n' + text + '\n]}\n')
        part.replace(self.path)


def class_at(entry, at):
    """What a run's label says of a moment: a class, "intent" or None."""
    found = 'intent'
    for phase in entry.get('phases', []):
        if phase['start'] <= at:
            found = phase['class']
    return found


def wait_slot(runs, seconds, seen):
    """Sleeps through a slot, looking now and then at who is there; seen: {run: [(time, {program: number})]}."""
    end = now() + seconds
    while now() < end:
        time.sleep(max(min(SAMPLE_EVERY, end - now()), 0))
        everything = processes()
        for run in runs:
            found = collections.Counter(filter(None, (run.program_of(c) for c in run.members(everything).values())))
            seen[run.name].append((now(), found))


def record_slots(table, options):
    plan = corpus.Plan(table, options.slots)
    labels = Labels(options.out / 'labels.json')
    labels.add([])
    rows, in_use, starts = collections.Counter(), collections.Counter(), collections.Counter()
    began = now()
    for number, slot in enumerate(plan.slots):
        if number < options.first:
            continue
        done, left = number - options.first, options.slots - number
        eta = f', {(now() - began) / done * left / 60:.0f} minutes left' if done else ''
        print(f'slot {number + 1} of {options.slots}: {", ".join(s.name or "noise" for s in slot)}{eta}', file=sys.stderr, flush=True)
        runs, seen = [Run(table, start, options.work) for start in slot], collections.defaultdict(list)
        wait_slot(runs, options.seconds, seen)
        for run in runs:
            run.stop()
        entries = [run.label(table) for run in runs]
        labels.add(entries)
        for run, entry in zip(runs, entries):
            before = run.begin
            for at, found in seen[run.name]:
                label = class_at(entry, at)
                for program, n in found.items():
                    rows[program] += n * (at - before) if label else 0
                    if program == entry['run'].rpartition('.')[0]:
                        in_use[program] += at - before if label not in (None, 'idle') or table[program].intent == 'idle' else 0
                before = at
            if run.workload:
                starts[run.workload.name] += 1
                if not any(found[run.workload.name] for _, found in seen[run.name]):
                    print(f'  {run.name} never showed {run.workload.comms[0][0]}: {run.complaint()}', file=sys.stderr)
                elif run.workload.clocked and run.zero() is None:
                    print(f'  {run.name}: its phases never began: {run.complaint()}', file=sys.stderr)
            run.clean()
    return summary(table, starts, rows, in_use)


def summary(table, starts, rows, in_use):
    """Rows expected by program. Returns the exit status: 1 where one of those that were started is without any."""
    print(f'{"program":20} {"class":12} {"runs":>4} {"in use s":>9} {"rows":>7}')
    for name in sorted(starts, key=lambda n: (table[n].intent, n)):
        print(f'{name:20} {table[name].intent:12} {starts[name]:4} {in_use[name]:9.0f} {rows[name]:7.0f}')
    missing = [name for name in starts if rows[name] < 1 or in_use[name] < 1]
    if missing:
        print('never showed a labelled process in use: ' + ' '.join(missing), file=sys.stderr)
    return 1 if missing else 0


class Trial:
    """A workload that is only tried: what its processes did, by the class that they are labelled with."""

    def __init__(self, table, workload, number, work):
        shorter = [p._replace(seconds=SMOKE_PAUSE if p.label == 'idle' else SMOKE_PHASE) for p in workload.phases_of(number)]
        workload.phases = shorter  # this table is the trial's own
        self.run = Run(table, corpus.Start(workload.name, number, False, False, []), work, shorter)
        self.last, self.steps, self.names = {}, [], collections.Counter()
        self.seconds = sum(p.seconds for p in shorter) + 1 if workload.clocked else SMOKE_LONG
        self.age = 0.0
        self.deadline = now() + self.seconds + 25

    def step(self, everything):
        sums, at, current = collections.Counter(), now(), {}
        names = self.run.members(everything)
        self.names.update(set(names.values()))
        for pid, comm in names.items():
            if self.run.program_of(comm) == self.run.workload.name:
                current[pid] = figures(pid)
        for pid, f in current.items():
            # What a process did before it was first seen counts where it was born since then.
            before = self.last.get(pid)
            if f and (before or (self.steps and pid not in self.last)):
                self.age = max(self.age, f['age'])
                for key, value in f.items():
                    sums[key] += max(value - before[key] if before else value, 0)
        self.last = {pid: f for pid, f in current.items() if f}
        self.steps.append((at, len(current), sums))

    def over(self):
        zero = self.run.zero() if self.run.workload.clocked else self.run.begin
        return now() > self.deadline or (zero is not None and now() > zero + self.seconds)

    def report(self, table):
        """Lines, and whether all is well."""
        self.run.number = 0  # its phases have been turned already
        entry, by_class = self.run.label(table), collections.defaultdict(list)
        workload, good, parts = self.run.workload, True, []
        for (t0, _, _), (t1, n, sums) in zip(self.steps, self.steps[1:]):
            label = class_at(entry, (t0 + t1) / 2)
            # A step that lies in two phases says nothing.
            if n and label and class_at(entry, t0) == label == class_at(entry, t1):
                by_class[workload.intent if label == 'intent' else label].append((t1 - t0, sums))
        wanted = {workload.intent if p.label == 'intent' else p.label for p in workload.phases}
        for label in sorted(wanted, key=lambda l: l == 'idle'):
            steps = by_class[label]
            seconds = sum(s for s, _ in steps)
            if not seconds:
                good = False
                parts.append(f'{label}: NOT REACHED')
                continue
            rate = {k: sum(s[k] for _, s in steps) / seconds for k in ('cpu', 'wants', 'switches', 'faults', 'bytes')}
            bad = [f'{what} NOT {"below" if most is not None else "above"} {least if most is None else most:g}'
                   for what, least, most in KINDS[label]
                   if (least is not None and rate[what] < least) or (most is not None and rate[what] > most)]
            good = good and not bad
            parts.append(f'{label}: cpu {rate["cpu"]:.2f} wants {rate["wants"]:.2f} switches {rate["switches"]:.0f} faults {rate["faults"]:.0f} '
                         f'kB {rate["bytes"] / 1e3:.0f}' + ''.join(f' {b}' for b in bad))
        if self.age < AGE_LEAST:
            good = False
            parts.append(f'NO PROCESS OLDER THAN {self.age:.0f} s')
        lines = [f'{"ok" if good else "??"} {self.run.name}: ' + '; '.join(parts)]
        if not good:
            lines.append(f'     processes: {" ".join(sorted(self.names))}; said: {self.run.complaint()}')
        return lines, good


def smoke(table, options):
    names = options.only or list(table)
    for name in names:
        if name not in table:
            sys.exit(f'record.py: there is no workload "{name}"; corpus.py list has them')
    waiting = collections.deque((name, number) for name in names for number in range(options.rounds))
    active, failed = [], []
    while waiting or active:
        while waiting and len(active) < options.together:
            name, number = waiting.popleft()
            fresh = corpus.read()
            active.append(Trial(fresh, fresh[name], number, options.work))
        time.sleep(0.5)
        everything = processes()
        for trial in list(active):
            trial.step(everything)
            if trial.over():
                trial.run.stop()
                lines, good = trial.report(table)
                print('\n'.join(lines), flush=True)
                failed += [] if good else [trial.run.name]
                trial.run.clean()
                active.remove(trial)
    print(f'{len(failed)} of {len(names) * options.rounds} are not as their class suggests: {" ".join(failed)}')
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('what', choices=('slots', 'smoke'))
    parser.add_argument('--work', type=pathlib.Path, required=True)
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--slots', type=int, default=corpus.SLOTS)
    parser.add_argument('--seconds', type=float, default=47)
    parser.add_argument('--together', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=1)
    parser.add_argument('--only', action='append')
    parser.add_argument('out', type=pathlib.Path)
    options = parser.parse_args()
    table = corpus.read()
    if options.only and options.what == 'slots':
        table = {n: w for n, w in table.items() if n in options.only or w.noise}
    return record_slots(table, options) if options.what == 'slots' else smoke(table, options)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except corpus.Bad as e:
        sys.exit(f'record.py: {e}')
    except KeyboardInterrupt:
        sys.exit(130)
