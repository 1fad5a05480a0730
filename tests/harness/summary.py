#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds up meson test logs: summary.py ALLOWED-SKIPS LABEL:LOG.json...

Prints every skip with its reason, then 'N passed, N failed, N skipped'. A skip that ALLOWED-SKIPS does not name (a glob
a line, matched against LABEL/TEST) and a log that holds no test at all count as failures."""

import fnmatch
import json
import os
import sys


def reason(test):
    """The line that says why it was skipped, else the last one that the test printed."""
    lines = [l.strip() for l in (test.get('stdout', '') + '\n' + test.get('stderr', '')).splitlines() if l.strip()]
    said = [l for l in lines if l.lower().startswith('skip')]
    return said[-1] if said else lines[-1] if lines else 'no reason printed'


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        allowed = [l.strip() for l in f if l.strip() and not l.startswith('#')]
    passed = failed = skipped = 0
    for argument in sys.argv[2:]:
        label, _, path = argument.partition(':')
        tests = []
        if os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                tests = [json.loads(l) for l in f if l.strip()]
        if not tests:
            print(f'FAILED {label}: no test ran')
            failed += 1
        for test in tests:
            name = f"{label}/{test['name']}"
            if test['result'] in ('OK', 'EXPECTEDFAIL'):
                passed += 1
            elif test['result'] == 'SKIP':
                known = any(fnmatch.fnmatch(name, a) for a in allowed)
                print(f"{'SKIPPED' if known else 'FAILED (a skip that is not allowed)'} {name}: {reason(test)}")
                skipped += known
                failed += not known
            else:
                print(f"FAILED {name}: {test['result']}")
                failed += 1
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed else 0


sys.exit(main())
