#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# test-catalog.sh SOURCE-ROOT: every MESSAGE_ID of daemon/journal.h is sent, has a limit, and one entry in the catalog that shows what is sent with it.
set -euo pipefail
cd "$1"
ids=$(sed -nE 's/^#define MESSAGE_[A-Z_]+ "([0-9a-f]{32})"$/\1/p' daemon/journal.h | sort)
entries=$(sed -nE 's/^-- ([0-9a-f]{32})$/\1/p' systemd/aikmd.catalog | sort)
[ "$(wc -l <<<"$ids")" -ge 10 ] || { echo "too few ids in daemon/journal.h"; exit 1; }
[ "$(grep -c '^#define MESSAGE_' daemon/journal.h)" = "$(wc -l <<<"$ids")" ] || { echo "an id in daemon/journal.h is not 32 hexadecimal digits"; exit 1; }
diff <(uniq <<<"$ids") <(cat <<<"$entries") || { echo "daemon/journal.h (<) and systemd/aikmd.catalog (>) differ"; exit 1; }
for name in $(sed -nE 's/^#define (MESSAGE_[A-Z_]+) .*/\1/p' daemon/journal.h); do
    grep -qw "$name" daemon/*.c || { echo "$name is never sent"; exit 1; }
done
# Each entry has a subject and a text; each variable is a field that the daemon sends.
awk '/^-- /{if (id && !(subject && text)) bad = bad " " id; id = $2; subject = blank = text = 0; next}
    /^Subject: ./{subject = 1} id && /^$/{blank = 1} blank && /./{text = 1}
    END{if (!(subject && text)) bad = bad " " id; if (bad) {print "without subject or text:" bad; exit 1}}' systemd/aikmd.catalog
for field in $(grep -oE '@[A-Z_]+@' systemd/aikmd.catalog | tr -d @ | sort -u); do
    grep -q "\"$field\"" daemon/journal.h || { echo "$field is not a field that the daemon sends"; exit 1; }
done
if command -v journalctl >/dev/null; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/usr/lib/systemd/catalog" "$work/var/lib/systemd/catalog"
    cp systemd/aikmd.catalog "$work/usr/lib/systemd/catalog/"
    journalctl --root="$work" --update-catalog
    # Each of them is in the database that journalctl -x asks, with its subject.
    listed=$(journalctl --root="$work" --list-catalog | grep -E '^[0-9a-f]{32} aikmd: .' | cut -d' ' -f1 | sort)
    diff <(cat <<<"$ids") <(cat <<<"$listed") || { echo "daemon/journal.h (<) and journalctl --list-catalog (>) differ"; exit 1; }
fi
python3 tests/bus/catalog.py .
echo "$(wc -l <<<"$ids") messages, each with its entry"
