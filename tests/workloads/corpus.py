#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of workloads (corpus.conf): reads and checks it, and plans a recording of it. See docs/corpus.md.

    corpus.py check             says what is wrong with the table
    corpus.py packages          the Debian packages of all workloads
    corpus.py list              name, class, family, executable, phases
    corpus.py plan [SLOTS]      what a recording runs side by side
"""
import collections
import configparser
import fnmatch
import pathlib
import re
import sys

CLASSES = ('idle', 'interactive', 'server', 'batch', 'io', 'memory')
KEYS = {'executable', 'packages', 'class', 'family', 'process', 'other', 'also', 'phases', 'noise', 'run'}
REQUIRED = {'executable', 'packages', 'class', 'family', 'run'}
TABLE = pathlib.Path(__file__).resolve().parent / 'corpus.conf'
# A pause or another class is not labelled for its first second: what was asked before is still being answered.
SETTLE = 1.0
MEMBERS_MAX = 10
SLOTS = 48

Phase = collections.namedtuple('Phase', 'name seconds label')
Start = collections.namedtuple('Start', 'name round tty niced hogs')


class Bad(Exception):
    """What is wrong, with file and workload."""


class Workload:
    """A program, and how it is driven."""

    def __init__(self, where, name, section):
        def bad(text):
            raise Bad(f'{where}: [{name}]: {text}')

        if not re.fullmatch(r'[A-Za-z0-9._+-]{1,40}', name):
            bad('a name is of at most 40 letters, digits and "._+-"')
        for key in section:
            if key not in KEYS:
                bad(f'unknown key "{key}"; there are {", ".join(sorted(KEYS))}')
        for key in sorted(REQUIRED):
            if not section.get(key, '').strip():
                bad(f'"{key}" is missing')
        self.name = name
        self.executable = section['executable']
        self.packages = section['packages'].split()
        self.intent = section['class']
        self.family = section['family']
        self.run = section['run']
        self.noise = section.get('noise', 'no') == 'yes'
        if not self.executable.startswith('/'):
            bad('"executable" is a path')
        if self.intent not in CLASSES:
            bad(f'unknown class "{self.intent}"; there are {", ".join(CLASSES)}')
        if not re.fullmatch(r'[a-z0-9-]+', self.family):
            bad('a family is of small letters, digits and "-"')
        if section.get('noise', 'no') not in ('yes', 'no'):
            bad('"noise" is yes or no')
        if self.noise and self.intent != 'batch':
            bad('only batch programs make noise')
        own = section.get('process', self.executable.rsplit('/', 1)[1][:15]).split()
        # What a process name means: (pattern, program), the first that matches; None: belongs to the driver.
        self.comms = [(pattern, name) for pattern in own]
        for word in section.get('also', '').split():
            if '=' not in word:
                bad(f'"also" has PATTERN=PROGRAM, not "{word}"')
            self.comms.append(tuple(word.split('=', 1)))
        self.comms += [(pattern, None) for pattern in section.get('other', '').split()]
        for pattern, _ in self.comms:
            if len(pattern) > 31:
                bad(f'the pattern "{pattern}" is too long')
        self.phases = [self.read_phase(word, bad) for word in section.get('phases', 'use:60').split()]
        if not 1 <= len(self.phases) <= 12:
            bad('1 to 12 phases')
        # Without any but "use" nothing depends on the clock.
        self.clocked = any(p.name != 'use' for p in self.phases)

    @staticmethod
    def read_phase(word, bad):
        m = re.fullmatch(r'([a-z]{1,15}):([0-9]{1,3})(?:=([a-z]+))?', word)
        if not m or int(m[2]) < 1:
            bad(f'a phase is NAME:SECONDS or NAME:SECONDS=CLASS, not "{word}"')
        label = m[3] or ('idle' if m[1] == 'pause' else 'intent')
        if label != 'intent' and label not in CLASSES:
            bad(f'unknown class "{label}" in "{word}"')
        return Phase(m[1], int(m[2]), label)

    def phases_of(self, number):
        """Each round begins at another place in the list."""
        k = number % len(self.phases)
        return self.phases[k:] + self.phases[:k]

    def used_share(self):
        used = sum(p.seconds for p in self.phases if p.name != 'pause')
        return used / sum(p.seconds for p in self.phases)

    def program_of(self, comm):
        for pattern, program in self.comms:
            if fnmatch.fnmatchcase(comm, pattern):
                return program
        return None


def read(path=TABLE):
    """{name: Workload}, in the order of the table."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=('=',), comment_prefixes=('#',),
                                       default_section='', empty_lines_in_values=False)
    try:
        with open(path, encoding='utf-8') as f:
            parser.read_file(f)
    except (OSError, UnicodeDecodeError, configparser.Error) as e:
        raise Bad(f'{path}: {e}') from None
    table = {name: Workload(path, name, parser[name]) for name in parser.sections()}
    for w in table.values():
        for _, program in w.comms:
            if program and program not in table:
                raise Bad(f'{path}: [{w.name}]: "{program}" is no workload')
    families = {}
    for w in table.values():
        # Whoever leaves out a family leaves out its executables.
        first = families.setdefault(w.executable, w)
        if first.family != w.family:
            raise Bad(f'{path}: [{w.name}]: {w.executable} is of the family {first.family} in [{first.name}] and of '
                      f'{w.family} here')
    return table


def label_phases(workload, number, begin, zero, end, notes=None):
    """The list "phases" of a run in labels.json; None where the workload has no clock.

    zero: when its driver began; None: never. notes: when its driver, if it knows, found each phase to begin in fact.
    """
    if not workload.clocked:
        return None
    marks, t, previous = [(begin, None)], zero, None
    phases = workload.phases_of(number)
    while t is not None and t < end:
        for phase in phases:
            start, over = t, t + phase.seconds
            if notes is not None:
                start = next((n for n in notes if t - 0.1 <= n < over), over)
            if previous not in (None, phase.label):
                marks.append((t, None))
                start += SETTLE
            if start < over:
                marks.append((max(start, t), phase.label))
            previous, t = phase.label, over
    kept = []
    for at, label in marks:
        if at < end and (not kept or kept[-1]['class'] != label):
            kept.append({'start': round(at, 2), 'class': label})
    return kept


# Noise of slots that are not crowded, and of those that are: how many hogs, and whether in the session of a workload.
NOISE_FEW = ((0, False), (6, True), (3, False), (1, True), (6, False), (3, True), (1, False))
NOISE_MANY = ((0, False), (3, True), (0, False), (1, False), (0, False), (1, True), (0, False), (3, False))


class Plan:
    """Which workloads run side by side in each slot: every workload at least twice, in different rounds."""

    def __init__(self, table, slots=SLOTS):
        self.table = table
        self.queues = {c: [w.name for w in table.values() if w.intent == c] for c in CLASSES}
        self.queues = {c: q for c, q in self.queues.items() if q}
        self.sizes = {c: len(q) for c, q in self.queues.items()}
        self.rounds, self.drawn, self.done = collections.Counter(), collections.Counter(), 0
        self.noisy = [w.name for w in table.values() if w.noise]
        kinds = ['alone' if s % 12 == 0 else 'few' if s % 6 == 3 else 'many' for s in range(slots)]
        rest = 2 * len(table) - kinds.count('alone') - 3 * kinds.count('few')
        many = max(7, min(MEMBERS_MAX, -(-rest // max(kinds.count('many'), 1))))
        members = {'alone': 1, 'few': 3, 'many': many}
        seen, self.slots = collections.Counter(), []
        for slot, kind in enumerate(kinds):
            noise = NOISE_MANY if kind == 'many' else NOISE_FEW
            n, same_session = noise[seen[noise] % len(noise)]
            seen[noise] += 1
            self.slots.append(self.fill(slot, members[kind], n, same_session))

    def next_of(self, intent, taken):
        """The first of the queue whose executable is not there yet; it goes to the queue's end."""
        queue = self.queues[intent]
        name = next((n for n in queue if self.table[n].executable not in taken), queue[0])
        queue.remove(name)
        queue.append(name)
        taken.add(self.table[name].executable)
        self.rounds[name] += 1
        return name, self.rounds[name] - 1

    def behind(self, intent, here):
        """How far a class is behind its share of what has been started. One that is there already can wait a little."""
        share = self.sizes[intent] / sum(self.sizes.values())
        return share * (self.done + 1) - self.drawn[intent] - 0.2 * here[intent]

    def fill(self, slot, members, noise, same_session):
        starts, taken, here = [], set(), collections.Counter()
        for _ in range(members):
            intent = max(self.queues, key=lambda c: (self.behind(c, here), -CLASSES.index(c)))
            here[intent] += 1
            self.drawn[intent] += 1
            self.done += 1
            name, number = self.next_of(intent, taken)
            hogs = []
            if noise and same_session and intent not in ('batch', 'memory'):
                hogs = self.hogs(slot, noise, self.table[name])
                noise = 0
            tty = intent != 'interactive' and (slot + len(starts)) % 3 == 1
            niced = intent in ('batch', 'memory', 'io') and (slot + len(starts)) % 4 == 3
            starts.append(Start(name, number, tty, niced, hogs))
        if noise:
            starts.append(Start('', slot, False, slot % 4 == 3, self.hogs(slot, noise, None)))
        return starts

    def hogs(self, slot, n, beside):
        """Noisy neighbours: batch programs whose process names mean nothing in the workload beside them."""
        fit = [name for name in self.noisy
               if not beside or not any(beside.program_of(p.replace('*', '')) for p, _ in self.table[name].comms)]
        return [fit[(slot * 5 + i) % len(fit)] for i in range(n)] if fit else []


def check(table):
    """Warnings of what makes a poor corpus."""
    found = []
    for w in table.values():
        if w.clocked and not 0.6 <= w.used_share() <= 0.9:
            found.append(f'[{w.name}]: {w.used_share():.0%} of its time is in use; 60 to 90 % are wanted')
        if w.clocked and not re.search(r'\b(load|typing|feed|jobs|during)\b', w.run):
            found.append(f'[{w.name}]: has phases, but no driver that follows them')
        if w.intent in ('server', 'interactive') and not w.clocked:
            found.append(f'[{w.name}]: a {w.intent} program needs phases')
        if w.intent == 'idle' and w.clocked:
            found.append(f'[{w.name}]: an idle program has no phases')
    return found


def main(arguments):
    what = arguments[0] if arguments else ''
    table = read()
    if what == 'check':
        found = check(table)
        print('\n'.join(found) or f'{len(table)} workloads, {len({w.executable for w in table.values()})} executables, '
              f'{len({w.family for w in table.values()})} families: ' +
              ', '.join(f'{sum(w.intent == c for w in table.values())} {c}' for c in CLASSES))
        return 1 if found else 0
    if what == 'packages':
        print('\n'.join(sorted({p for w in table.values() for p in w.packages})))
    elif what == 'list':
        for w in table.values():
            print(w.name, w.intent, w.family, w.executable,
                  ' '.join(f'{p.name}:{p.seconds}={p.label}' for p in w.phases), sep='\t')
    elif what == 'plan':
        for i, slot in enumerate(Plan(table, int(arguments[1]) if len(arguments) > 1 else SLOTS).slots):
            print(i, ' '.join((f'{s.name}.{s.round}' if s.name else 'noise') + ('/t' if s.tty else '') + ('/n' if s.niced else '') +
                              (f'+({" ".join(s.hogs)})' if s.hogs else '') for s in slot))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except Bad as e:
        sys.exit(f'corpus.py: {e}')
