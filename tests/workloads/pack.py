#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows to keep beside the model that is trained from them.

    pack.py ROWS… -o OUT.csv.xz [--table corpus.conf] [--digits 4]

Joins the files (a run of the second is named 2-RUN, and so on), rounds features to some digits, which no prediction notices, and
compresses. Rows of programs that the table does not have, or no longer has, are left out, and named.
"""
import argparse
import csv
import lzma
import sys

sys.dont_write_bytecode = True
import judge  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    p.add_argument('rows', nargs='+')
    p.add_argument('-o', '--output', required=True)
    p.add_argument('--table', default=judge.here / 'corpus.conf')
    p.add_argument('--digits', type=int, default=4)
    o = p.parse_args()
    table = judge.read_table(o.table)
    n, dropped, first = 0, set(), None
    with lzma.open(o.output, 'wt', newline='', preset=9 | lzma.PRESET_EXTREME) as f:
        writer = csv.writer(f, lineterminator='\n')
        for number, path in enumerate(o.rows, 1):
            header, rows = judge.read_rows(path)
            if first is None:
                first = header
                writer.writerow(header)
            elif header != first:
                sys.exit(f'{path}: made with another feature table than {o.rows[0]}')
            for r in rows:
                if r['program'] not in table:
                    dropped.add(r['program'])
                    continue
                line = r['line'][:]
                if number > 1:
                    line[1] = f'{number}-{line[1]}'
                k = len(judge.FIXED)
                line[k:] = ['%.*g' % (o.digits, float(x)) for x in line[k:]]
                writer.writerow(line)
                n += 1
    if dropped:
        print(f'not in the table: {" ".join(sorted(dropped))}', file=sys.stderr)
    print(f'{n} rows', file=sys.stderr)


if __name__ == '__main__':
    main()
