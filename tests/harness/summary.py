#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds up meson test logs: summary.py ALLOWED-SKIPS LABEL:LOG.json...

Prints every skip with its reason, what passed only the second time, what failed with the lines that tell why, then
'N passed, N failed, N skipped'. A skip that ALLOWED-SKIPS does not name (a glob a line, matched against LABEL/TEST) and a log that
holds no test at all count as failures."""

import fnmatch
import json
import os
import sys

COMPLAINT_LINES = 10


def reason(test):
    """The line that says why it was skipped, else the last one that the test printed."""
    lines = [l.strip() for l in (test.get('stdout', '') + '\n' + test.get('stderr', '')).splitlines() if l.strip()]
    said = [l for l in lines if l.lower().startswith('skip')]
    return said[-1] if said else lines[-1] if lines else 'no reason printed'


def complaints(test):
    """The lines that say what went wrong, each with what follows it, else the end of what the test printed."""
    lines = [l.rstrip() for l in (test.get('stdout', '') + '\n' + test.get('stderr', '')).splitlines() if l.strip()]
    signs = ('FAILED', '[  ERROR   ]', 'FAIL:', 'ERROR:', 'Assertion', 'Traceback')
    found = []
    for i, line in enumerate(lines):
        if line.lstrip().startswith(signs):
            found += [l for l in lines[i:i + COMPLAINT_LINES] if l not in found]
    return (found or lines[-COMPLAINT_LINES:])[:2 * COMPLAINT_LINES]


def main():
    failures = []
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
                for line in [l for l in test.get('stdout', '').splitlines() if l.startswith('UNSTABLE')]:
                    print(f'{line} (and passed then)')
            elif test['result'] == 'SKIP':
                known = any(fnmatch.fnmatch(name, a) for a in allowed)
                print(f"{'SKIPPED' if known else 'FAILED (a skip that is not allowed)'} {name}: {reason(test)}")
                skipped += known
                failed += not known
            else:
                failures.append((f"FAILED {name}: {test['result']}", complaints(test)))
                failed += 1
    # Last, where whoever sees but the end of the output finds it.
    for heading, lines in failures:
        print(heading)
        for line in lines:
            print(f'    {line[:200]}')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed else 0


sys.exit(main())
