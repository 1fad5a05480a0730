#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""documented.py SOURCE-ROOT: whatever a user can type, set, call or read has a place in its manual page."""
import glob
import os
import re
import sys

os.chdir(sys.argv[1])
bad = []


def read(*patterns):
    files = sorted(f for p in patterns for f in glob.glob(p))
    assert files, patterns
    return '\n'.join(open(f).read() for f in files)


def page(name):
    return open(f'man/{name}.scd').read().replace('\\_', '_')


def need(name, what, pattern, least, found):
    """Each of found has to be in the page, as pattern; fewer than least: the search itself is broken."""
    if len(set(found)) < least:
        bad.append(f'{what}: only {len(set(found))} found in the sources')
    for word in sorted(set(found)):
        if not re.search(pattern.format(re.escape(word)), page(name), re.M):
            bad.append(f'man/{name}.scd: no {what} {word}')


# Verbs and options. A row of a table: {'j', "json", …
verbs = re.findall(r'^ *&verb_spec_([a-z]+),$', read('cli/verbs.c'), re.M)
need('aikmctl.1', 'synopsis of', r'^\*aikmctl\* \[_OPTIONS_\] \*{}\b', 8, verbs)
need('aikmctl.1', 'verb', r'^\*{}\b', 8, verbs)
rows = re.findall(r"\{(?:'(.)'|0), \"([a-z0-9-]+)\", (?:NULL|\"[^\"]*\"),", read('cli/*.c', 'cli/top/*.c'))
need('aikmctl.1', 'option', r'\*--{}\*', 20, [name for _, name in rows])
need('aikmctl.1', 'option', r'\*-{}\*', 12, [letter for letter, _ in rows if letter])
rows = re.findall(r'\{"([a-z-]+)", (?:no|required|optional)_argument,', read('daemon/options.c'))
need('aikmd.8', 'option', r'\*--{}[*=\[]', 12, rows)
rows = re.findall(r'\{"([a-z-]+)", (?:no|required|optional)_argument,', read('models/darknet/*.c'))
need('aikm-darknet.1', 'option', r'\*(?:-[a-z]\*, \*)?--{}\*', 15, [r for r in rows if r not in ('output', 'output-dir')])

rows = re.findall(r'\{"([a-z-]+)", (?:no|required|optional)_argument,', read('record/*.c'))
need('aikm-record.8', 'option', r'\*(?:-[a-z]\*, \*)?--{}\*', 6, rows)

rows = re.findall(r'\{"([a-z-]+)", (?:no|required|optional)_argument,', read('models/compiler/options.c'))
need('aikm-compile.1', 'option', r'\*(?:-[a-z]\*, \*)?--{}\*', 15, rows)
rows = re.findall(r'\{"([a-z-]+)", (?:no|required|optional)_argument,', read('models/packets/main.c'))
need('aikm-packets.1', 'option', r'\*(?:-[a-z]\*, \*)?--{}\*', 5, rows)
variables = re.findall(r'(?:getenv|run_tool)\((?:f, )?"(\w+)"', read('models/compiler/*.c'))
need('aikm-compile.1', 'variable', r'^\*(?:.*\*, \*)?{}\*', 4, variables)

# Keys of the configuration: {"nice", &codec_…, and the tunables.
keys = re.findall(r'\{"([a-z_.]+)",\s*&codec_\w+', read('daemon/config*.c'))
need('aikmd.conf.5', 'key', r'\*{}\*', 30, [k.split('.')[-1] for k in keys])
need('aikmd.conf.5', 'tunable', r'^\|  {}$', 10, re.findall(r'\.name = "([a-z_]+\.[a-z_]+)"', read('policy/tunable.c')))

# The bus: members, and keys of dictionaries.
members = re.findall(r'<(?:method|signal|property) name="(\w+)"', read('systemd/org.aikm1.xml'))
need('org.aikm1.5', 'member', r'\*{}\*', 10, members)
keys = re.findall(r'reply_(?:put\w*|open_array)\(\s*&?\w+,\s*"([A-Z]\w+)"', read('daemon/bus*.c'))
need('org.aikm1.5', 'key', r'\b{}\b', 40, keys)

# The environment. NOTIFY_SOCKET and such are read by sd-daemon.
environment = r'\bgetenv\("(\w+)"\)'
need('aikmctl.1', 'variable', r'^\*(?:.*\*, \*)?{}\*', 5, re.findall(environment.replace(r'\b', '(?:secure_)?'), read('cli/*.c', 'cli/top/*.c')))
need('aikmd.8', 'variable', r'^\*(?:.*\*, \*)?{}\*', 5,
     re.findall(environment.replace(r'\b', '(?:secure_)?'), read('daemon/*.c', 'daemon/actuators/*.c', 'collectors/*.c', 'util/*.c')))

# The journal: name and meaning of each field are one table in the source and one list in the page.
fields = re.findall(r'X\([^,]+, \w+, "(AIKM_\w+)",\s*"([^"]+)"\)', read('daemon/journal.h').replace('\\\n', ''))
if len(fields) < 10:
    bad.append(f'only {len(fields)} fields found in daemon/journal.h')
listed = re.findall(r'^\*(AIKM_\w+)\*\n\t(.*)$', page('aikmd.8').split('# JOURNAL')[1].split('\n# ')[0], re.M)
for f in sorted(set(fields) ^ set(listed)):
    bad.append(f'{f[0]}: daemon/journal.h and the JOURNAL section of man/aikmd.8.scd differ ("{f[1]}")')

print('\n'.join(bad) or 'all is documented')
sys.exit(bool(bad))
