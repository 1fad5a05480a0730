#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The usage section of README.md, line by line as it stands there, on the booted system.
. ./lib.sh

# What a line must have brought about, by its first words.
expectation() {
    case $1 in
    'systemctl enable --now aikmd') echo 'systemctl is-enabled --quiet aikmd && systemctl is-active --quiet aikmd' ;;
    'aikmctl status') echo 'grep -q observe out' ;;
    'aikmctl top --once') echo 'grep -q aikmd out' ;;
    'aikmctl explain 1') echo 'grep -q systemd out && grep -q Verdict out' ;;
    'aikmctl policy set scope=uid:1000') echo 'aikmctl policy show --json | tr -d " \n" | grep -q "\"scope\":\[\"uid:1000\"\]"' ;;
    'aikmctl mode enforce') echo 'aikmctl status | grep -q enforce' ;;
    'aikmctl ledger' | 'aikmctl impact') echo 'true' ;; # nothing was demoted
    'aikmctl model list') echo 'grep -Eq "^default .*yes" out' ;;
    'aikmctl filter status') echo 'grep -q "No interface has a filter" out' ;;
    'aikmctl rollback all') echo 'grep -q Everything out' ;;
    'aikmctl policy reset') echo 'aikmctl status | grep -q observe' ;;
    'systemctl reload aikmd') echo 'journalctl -u aikmd | grep -q "configuration read again"' ;;
    'journalctl -x -u aikmd --no-pager') echo 'grep -q "aikmd has started" out' ;;
    'systemctl disable --now aikmd') echo '! systemctl is-enabled --quiet aikmd && ! systemctl is-active --quiet aikmd' ;;
    *) return 1 ;;
    esac
}

cd /tmp
n=0
while IFS= read -r line; do
    command=${line%%#*}
    command=$(sed 's/^ *//; s/ *$//' <<<"$command")
    say "$command"
    check "$command" sh -c "$command >out 2>&1"
    cat out
    if after=$(expectation "$command"); then
        check "… did it" bash -c "$after"
    else
        check "this test knows what '$command' must bring about" false
    fi
    n=$((n + 1))
    [ "$n" != 1 ] || sleep 5 # a few looks, so that there is something to show
done < <(sed -n '/^## Use/,/^## /p' /payload/README.md | grep '^    ')
check "the section has its lines" [ "$n" -ge 10 ]
finish
