#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""catalog.py SOURCE-ROOT: every message has its limit in daemon/journal.c, and each @FIELD@ of its catalog entry is set by all who send it."""
import glob
import os
import re
import sys

os.chdir(sys.argv[1])
header = open('daemon/journal.h').read().replace('\\\n', '')
ids = {value: name for name, value in re.findall(r'#define (MESSAGE_\w+) "([0-9a-f]{32})"', header)}
members = {field: member for member, field in re.findall(r'X\([^,]+, (\w+), "(AIKM_\w+)"', header)}
assert len(ids) >= 15 and len(members) >= 12, 'daemon/journal.h is not understood'
bad = []

limits = re.findall(r'(?:ALWAYS|LIMITED)\((MESSAGE_\w+),', open('daemon/journal.c').read())
for name in ids.values():
    if limits.count(name) != 1:
        bad.append(f'{name}: {limits.count(name)} entries in the table of daemon/journal.c')


def arguments(text, start):
    """The arguments of the call whose parenthesis opens at start, split at its own commas."""
    depth, parts, begin, quoted, i = 0, [], start + 1, False, start
    while True:
        c = text[i]
        if c == '"' and text[i - 1] != '\\':
            quoted = not quoted
        elif not quoted and c in '({[':
            depth += 1
        elif not quoted and c in ')}]':
            depth -= 1
            if depth == 0:
                return parts + [text[begin:i].strip()]
        elif not quoted and c == ',' and depth == 1:
            parts.append(text[begin:i].strip())
            begin = i + 1
        i += 1


def fields_of(argument, text):
    """The members that an argument sets; a name stands for what its file puts into a JournalFields of that name, or into any."""
    if argument == 'NULL':
        return set()
    found = set(re.findall(r'[{,]\s*\.(\w+)\s*=', argument))
    if not argument.startswith('&('):
        name = re.escape(argument.lstrip('&'))
        blocks = (re.findall(r'\bJournalFields ' + name + r' = (\{.*?\});', text, re.S) or
                  re.findall(r'\bJournalFields\)?(?: \w+ =)? ?(\{.*?\});', text, re.S))
        for block in blocks:
            found |= set(re.findall(r'[{,]\s*\.(\w+)\s*=', block))
        found |= set(re.findall(r'\b(?:' + name + r'|f|fields)(?:\.|->)(\w+) = ', text))
    return found


senders = {}
for path in sorted(glob.glob('daemon/**/*.c', recursive=True) + glob.glob('record/*.c')):
    text = open(path).read()
    for call in re.finditer(r'\b(?:journal_note|send)\(', text):
        a = arguments(text, call.end() - 1)
        if len(a) < 3:
            continue
        chosen = a[1] if 'MESSAGE_' in a[1] else (re.findall(rf'\b{re.escape(a[1])} = ([^;]*);', text[:call.start()]) or [''])[-1]
        for name in re.findall(r'MESSAGE_\w+', chosen):
            senders.setdefault(name, []).append((path, text.count('\n', 0, call.start()) + 1, fields_of(a[2], text)))

entry = None
for line in open('systemd/aikmd.catalog'):
    if line.startswith('-- '):
        entry = ids.get(line[3:].strip())
    for field in re.findall(r'@(\w+)@', line):
        if field not in members:
            bad.append(f'{entry}: {field} is not a field')
            continue
        for path, number, found in senders.get(entry, []):
            if members[field] not in found:
                bad.append(f'{path}:{number}: {entry} without {field}, which its catalog entry shows')
for name in ids.values():
    if name not in senders:
        bad.append(f'{name} is never sent')
print('\n'.join(sorted(set(bad))) or f'{sum(map(len, senders.values()))} calls send {len(senders)} messages as the catalog tells them')
sys.exit(bool(bad))
