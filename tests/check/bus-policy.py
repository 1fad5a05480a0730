#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus policy denies all and allows exactly the methods of the interface: bus-policy.py POLICY.conf INTERFACE.xml"""

import sys
import xml.etree.ElementTree as ET

NAME = 'org.aikm1'
STANDARD = {
    ('org.freedesktop.DBus.Introspectable', 'Introspect'),
    ('org.freedesktop.DBus.Peer', 'Ping'),
    ('org.freedesktop.DBus.Peer', 'GetMachineId'),
    ('org.freedesktop.DBus.Properties', 'Get'),
    ('org.freedesktop.DBus.Properties', 'GetAll'),
}
DENY_ALL = {'send_destination': NAME, 'send_broadcast': 'false'}


def methods(path):
    """Of our interfaces; Set where a property can be written."""
    wanted = set(STANDARD)
    for interface in ET.parse(path).iter('interface'):
        name = interface.get('name')
        if not name.startswith(NAME + '.'):
            continue
        wanted |= {(name, m.get('name')) for m in interface.iter('method')}
        if any('write' in p.get('access') for p in interface.iter('property')):
            wanted.add(('org.freedesktop.DBus.Properties', 'Set'))
    return wanted


def check(policy, wanted):
    allowed, denied, owners = [], False, []
    for section in ET.parse(policy).getroot():
        who = dict(section.attrib)
        for rule in section:
            what = dict(rule.attrib)
            if 'own' in what or 'own_prefix' in what:
                owners.append((rule.tag, who, what))
            elif rule.tag == 'deny':
                if who != {'context': 'default'} or what != DENY_ALL or allowed:
                    yield f'the one rule that denies is {DENY_ALL}, for everybody, before those that allow: not {what} of {who}'
                denied = True
            else:
                member = what.pop('send_interface', None), what.pop('send_member', None)
                if who != {'context': 'default'} or what != {'send_destination': NAME, 'send_type': 'method_call'} or None in member:
                    yield f'allows more than one method of ours: {rule.attrib} of {who}'
                allowed.append(member)
    if owners != [('allow', {'user': 'root'}, {'own': NAME})]:
        yield f'only root may own the name: {owners}'
    if not denied:
        yield 'nothing is denied'
    for member in sorted(set(m for m in allowed if allowed.count(m) > 1)):
        yield f'{".".join(member)} is allowed twice'
    for member in sorted(wanted - set(allowed)):
        yield f'{".".join(member)} is in the interface, but nobody may call it'
    for member in sorted(set(allowed) - wanted, key=str):
        yield f'{member} may be called, but is not in the interface'


def main():
    wanted = methods(sys.argv[2])
    errors = list(check(sys.argv[1], wanted))
    if len(wanted) <= len(STANDARD):
        errors.append(f'{sys.argv[2]}: no methods of ours')
    print('\n'.join(errors) if errors else f'{len(wanted)} methods, each allowed by name')
    return 1 if errors else 0


sys.exit(main())
