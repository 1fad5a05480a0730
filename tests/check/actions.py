#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every method has its polkit action, and every action its method: actions.py SOURCE-ROOT"""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

NAME = 'org.aikm1.'
READ = 'read'
# Whoever needs no password for these: see the comments in the policy.
OPEN = {'read', 'rollback-own', 'trial-own'}
LISTED = {'auth_admin', 'auth_admin_keep', 'yes', 'no'}


def table(root):
    """{(interface, member): (action, own action or None, whether it changes anything)}"""
    text = (root / 'daemon/bus-method.c').read_text()
    rows = re.search(r'const BusMethod bus_methods\[\] = \{(.*?)^\};', text, re.S | re.M).group(1)
    found = {}
    for row in re.findall(r'\{("[^{}]*)\}', rows):
        words = re.match(r'"(\w+)",\s*"(\w+)",\s*(\w+),\s*"([\w-]+)"(?:,\s*"([\w-]+)",\s*(\w+))?', row)
        if not words or (words[1], words[2]) in found:
            sys.exit(f'daemon/bus-method.c: not understood, or there twice: {row}')
        found[words[1], words[2]] = words[4], words[5], '.done' in row
    return found


def check(root):
    methods = {(i.get('name').removeprefix(NAME), m.get('name'))
               for i in ET.parse(root / 'systemd/org.aikm1.xml').iter('interface') for m in i.iter('method')}
    rows = table(root)
    actions = {a.get('id'): a for a in ET.parse(root / 'systemd/org.aikm1.policy').iter('action')}
    for method in sorted(methods ^ set(rows)):
        yield f'{".".join(method)} is in only one of org.aikm1.xml and the table of daemon/bus-method.c'
    for method, (action, own, changes) in rows.items():
        if (action == READ) == changes:
            yield f'{".".join(method)}: what changes something has .done and an action of its own; what reads has "{READ}"'
        if own and own not in OPEN:
            yield f'{own} is not known here'
    used = {NAME + a for row in rows.values() for a in row[:2] if a}
    for action in sorted(used ^ set(actions)):
        yield f'{action} is in only one of org.aikm1.policy and the table of daemon/bus-method.c'
    for name, action in actions.items():
        values = {d.tag: d.text for d in action.find('defaults')}
        if set(values) != {'allow_any', 'allow_inactive', 'allow_active'} or not set(values.values()) <= LISTED:
            yield f'{name}: defaults not complete or not known: {values}'
        if 'yes' in values.values() and name.removeprefix(NAME) not in OPEN:
            yield f'{name} is open to everybody'
        if not all(len(action.findtext(t) or '') > 10 for t in ('description', 'message')):
            yield f'{name}: no description or message'
    # Whatever is served goes the one way.
    for path in (root / 'daemon').glob('*.c'):
        for method in re.findall(r'SD_BUS_METHOD\w*\((.*?)SD_BUS_VTABLE_\w+\)', path.read_text(), re.S):
            if 'bus_on_method' not in method:
                yield f'{path.name}: a method is not handled by bus_on_method(): {method}'


root = Path(sys.argv[1])
errors = list(check(root))
print('\n'.join(errors) if errors else f'{len(table(root))} methods, each with its action')
sys.exit(1 if errors or not table(root) else 0)
