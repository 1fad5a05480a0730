#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fails on an include that points the wrong way: layers.py SOURCE-ROOT. The table is the architecture's graph."""

import fnmatch
import os
import re
import sys

CORE = ['collectors/sample.*', 'collectors/*-parse.*', 'collectors/ident.h', 'models/feature*', 'models/model.*', 'models/engine.*',
        'models/import-darknet.*', 'models/rules.*', 'models/network.*', 'models/tensor.*', 'models/graph*', 'models/operator.*',
        'models/operators/*', 'policy/*']
# What the filter's BPF program and its twin in user space are both made of.
FILTER = ['collectors/bpf/filter.h', 'collectors/bpf/filter-parse.h', 'collectors/bpf/filter-track.h', 'collectors/bpf/filter-fields.h',
          'collectors/bpf/filter-scratch.h', 'models/packet-fields.h']
CORE += ['models/packet-field*', 'collectors/filter-twin.*']
LIBC = ['assert.h', 'ctype.h', 'errno.h', 'float.h', 'fnmatch.h', 'inttypes.h', 'limits.h', 'math.h', 'sched.h', 'stdarg.h', 'stdbool.h',
        'stddef.h', 'stdint.h', 'stdio.h', 'stdlib.h', 'string.h', 'strings.h', 'time.h', 'unistd.h', 'sys/types.h', 'linux/types.h']
PURE_DAEMON = ['daemon/pipeline*', 'daemon/proc-table*', 'daemon/judge*', 'daemon/tuner*', 'daemon/watchdog*', 'daemon/pace*', 'daemon/usage*', 'daemon/unit-table*',
               'daemon/seen-row*']
FOREIGN = ['sqlite3.h', 'bpf/*', 'systemd/*', 'json-c/*', 'json.h', 'libcgroup.h', 'darknet.h', 'ncurses*', 'curses.h', 'libkmod.h', 'md5.h', 'sha2.h', 'protobuf-c/*']

# First matching entry counts: files, project headers that they may include, foreign headers that they may include, libc limited?
LAYERS = [
    ('util', ['util/*'], ['util/*'], [], False),
    ('core', CORE, ['util/*'] + FILTER + CORE, [], True),
    ('filter', FILTER, FILTER, [], True),
    ('bpf', ['collectors/bpf/*'], ['collectors/bpf/*'] + FILTER, ['bpf/*'], False),
    ('collect', ['collectors/*'], ['util/*', 'collectors/*'] + CORE, ['bpf/*'], False),
    ('darknet worker', ['models/darknet/*', 'models/train/*'],
     ['util/*', 'models/*', 'daemon/recording.h', 'daemon/pipeline.h'] + CORE, ['darknet.h', 'json-c/*'], False),
    ('compiler', ['models/compiler/*'], ['util/*', 'models/*'] + CORE, ['json-c/*', 'bpf/*', 'linux/*'], False),
    ('model files', ['models/*'], ['util/*', 'models/*'] + CORE, ['json-c/*', 'sha2.h', 'protobuf-c/*'], False),
    ('pure daemon', PURE_DAEMON, ['util/*'] + PURE_DAEMON + CORE, [], True),
    ('daemon', ['daemon/*'], ['util/*', 'collectors/*', 'models/manifest.h', 'models/verify.h', 'models/train/row-table.h', 'daemon/*'] + CORE,
     ['systemd/*', 'json-c/*', 'libcgroup.h', 'libkmod.h', 'bpf/*'], False),
    ('data set', ['record/*'],
     ['util/*', 'record/*', 'models/train/*', 'daemon/recording*', 'daemon/pipeline.h', 'daemon/journal.h'] + CORE,
     ['sqlite3.h', 'json-c/*', 'systemd/*'], False),
    ('client', ['cli/*'], ['util/*', 'cli/*'], ['systemd/*', 'json-c/*', 'ncurses*', 'curses.h'], False),
]
# The only files that may include these.
ONLY = {
    'libcgroup.h': ['daemon/actuators/cgroup*.c'],
    'darknet.h': ['models/darknet/*.c'],
    'sqlite3.h': ['record/*'],
    'ncurses*': ['cli/top/*'],
    'curses.h': ['cli/top/*'],
    'protobuf-c/*': ['models/import-onnx*'],
    '*.pb-c.h': ['models/import-onnx*'],
}


def matches(path, globs):
    return any(fnmatch.fnmatchcase(path, g) for g in globs)


def check(path, text):
    layer = next((l for l in LAYERS if matches(path, l[1])), None)
    if not layer:
        return
    name, _, project, foreign, pure = layer
    own = os.path.dirname(path)
    for number, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not m:
            continue
        header = m.group(2)
        if m.group(1) == '"':
            generated = (header.endswith('.skel.h') and name == 'collect') or (header.endswith('.pb-c.h') and matches(path, ONLY['*.pb-c.h']))
            if not generated and not matches(header, project) and not matches(f'{own}/{header}', project):
                yield f'{path}:{number}: {name} may not include "{header}"'
        elif matches(header, FOREIGN):
            if not matches(header, foreign):
                yield f'{path}:{number}: {name} may not include <{header}>'
            elif any(fnmatch.fnmatchcase(header, h) and not matches(path, files) for h, files in ONLY.items()):
                yield f'{path}:{number}: only {ONLY[[h for h in ONLY if fnmatch.fnmatchcase(header, h)][0]]} may include <{header}>'
        elif pure and header not in LIBC:
            yield f'{path}:{number}: {name} is pure: <{header}> is not for it'


def main():
    root = sys.argv[1]
    errors, n = [], 0
    for top in ('util', 'collectors', 'models', 'policy', 'daemon', 'record', 'cli'):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for f in sorted(files):
                if f.endswith(('.c', '.h')):
                    path = os.path.relpath(os.path.join(folder, f), root)
                    with open(os.path.join(root, path), encoding='utf-8') as s:
                        errors += list(check(path, s.read()))
                    n += 1
    print('\n'.join(errors) if errors else f'{n} files, every include points the right way')
    return 1 if errors or n == 0 else 0


sys.exit(main())
