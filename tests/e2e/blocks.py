#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""blocks.py PAGE PYTHON: runs the blocks of a page of documentation that say sh or python, each in a process of its own, in the current
folder; PYTHON runs the latter. The first that fails ends it. Blocks of another kind (console) are for reading."""
import re
import subprocess
import sys

page, python = sys.argv[1:]
blocks = re.findall(r'^```(\w+)\n(.*?)^```$', open(page, encoding='utf-8').read(), re.M | re.S)
n = 0
for language, text in blocks:
    if language not in ('sh', 'python'):
        continue
    command = ['bash', '-euo', 'pipefail', '-c', text] if language == 'sh' else [python, '-c', text]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f'{page}: this {language} block ended with {done.returncode}:\n{text}\n{done.stdout}')
    print(done.stdout, end='')
    n += 1
if n < 10:
    sys.exit(f'{page}: only {n} blocks')
print(f'{n} blocks ran')
