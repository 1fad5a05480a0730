#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest with aikmd installed, as root, beside bus-fuzz: a user without privilege may look, may act on nothing but what is the
# user's own, and can neither crash nor fatten the daemon.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=scene.sh
. "$here/scene.sh"
fuzz=${AIKM_BUS_FUZZ:-$here/bus-fuzz}

uid=65534
nobody() { setpriv --reuid=$uid --regid=$uid --clear-groups "$@"; }
refused() { # command
    local said
    ! said=$(nobody "$@" 2>&1) || fail "a user without privilege may: $*"
    [[ $said == *refused* || $said == *"Access denied"* || $said == *authentication* ]] || fail "$* fails for another reason: $said"
}
method() { # interface, member, types and arguments
    local interface=$1
    shift
    nobody busctl --auto-start=no --timeout=120 --allow-interactive-authorization=no call org.aikm1 /org/aikm1 "org.aikm1.$interface" "$@"
}
method_refused() {
    local said
    ! said=$(method "$@" 2>&1) || fail "a user without privilege may call $*"
    [[ $said == *polkit* ]] || fail "$* is not refused by polkit, but: $said"
}
# Whatever could have been changed.
everything() {
    aikmctl policy show --json
    aikmctl mode
    aikmctl ledger --json
    aikmctl status --json | tr ',' '\n' | grep -E '"(trial_root|mode|scope)"'
}
resident() { awk '/^VmRSS:/ { print $2 }' "/proc/$(show MainPID)/status"; }
mode_is() { [ "$(busctl get-property org.aikm1 /org/aikm1 org.aikm1.Manager Mode)" = "s \"$1\"" ]; }
as_user=()
hog_as() { # uid
    setpriv --reuid="$1" --regid="$1" --clear-groups perl -e '$0 = "vm-hog"; 1 while 1' &
    scene+=($!)
    as_user+=("$!")
}

systemctl start aikmd
until_shows ActiveState active
pid=$(show MainPID)

step "it may look"
for words in status ps "ps --json" "top --once" ledger "ledger --all" "policy list" "policy show" mode "explain 1"; do
    # shellcheck disable=SC2086 # words
    nobody aikmctl $words >/dev/null || fail "a user without privilege may not: aikmctl $words"
done
for call in "Manager GetStatus" "Processes List" "Processes Explain u 1" "Policy Get" "Ledger List b true"; do
    # shellcheck disable=SC2086 # words
    method $call >/dev/null || fail "a user without privilege may not call $call"
done

step "what the kernel hides from it stays hidden"
setpriv --reuid=$uid --regid=$uid --clear-groups sleep 600 &
scene+=($!)
sleeper=$!
explains() { "$@" aikmctl explain --json "$sleeper" 2>/dev/null | grep '"exe"' >/dev/null; }
until_true 60 explains env || fail "root does not see the executable of process $sleeper"
explains nobody || fail "a user does not see the executable of a process of its own"
! nobody aikmctl explain --json 1 | grep -E '"(exe|io_bytes|rchar|wchar)"' || fail "a user sees what the kernel hides of process 1"
aikmctl explain --json 1 | grep '"exe"' >/dev/null || fail "root does not see the executable of process 1"
! nobody cat /proc/1/io 2>/dev/null || fail "the kernel does not hide it: this test is out of date"

step "it may not change anything"
everything >/tmp/before
for words in "mode enforce" "policy set scope=machine" "policy reset" "rollback all" "rollback pid:1"; do
    # shellcheck disable=SC2086 # words
    refused aikmctl --no-ask-password $words
done
method_refused Manager SetMode s enforce
method_refused Manager Reload
method_refused Manager Trial us 1 enforce
method_refused Manager Trial us "$$" enforce
method_refused Policy Set "a(ss)" 1 mode enforce
method_refused Policy Reset
method_refused Ledger Rollback st all 0
method_refused Ledger Rollback st pid "$$"
method_refused Ledger Rollback st action 1
everything >/tmp/after
diff /tmp/before /tmp/after || fail "something has changed"
journalctl --sync
journalctl -u aikmd -o json --no-pager | grep '"AIKM_VERB":"set-mode"' | grep '"AIKM_CALLER_UID":"65534"' |
    grep -q '"AIKM_CALLER_PID":"[0-9]*"' || fail "the journal does not say who was refused"

step "an administrator may allow it, by polkit"
cat >/etc/polkit-1/rules.d/10-aikm-test.rules <<'END'
polkit.addRule(function(action, subject) {
    if (action.id == "org.aikm1.set-mode" && action.lookup("mode") == "advise" && subject.user == "nobody")
        return polkit.Result.YES;
});
END
may_advise() { method Manager SetMode s advise >/dev/null 2>&1; }
until_true 60 may_advise || fail "the rule has no effect"
mode_is advise || fail "the mode is not advise"
method_refused Manager SetMode s enforce
rm /etc/polkit-1/rules.d/10-aikm-test.rules
aikmctl policy reset
journalctl --sync
journalctl -u aikmd -o cat --no-pager | grep '^Mode set: mode advise, on request of uid 65534 (busctl\[' >/dev/null ||
    fail "the journal does not say who set the mode"
journalctl -u aikmd -o cat --no-pager | grep '^Policy reset, on request of uid 0 (aikmctl\[' >/dev/null || fail "the journal does not say that root reset it"

step "on a terminal it is asked for an administrator's password"
useradd --groups sudo aikm-admin
echo aikm-admin:opensesame | chpasswd
mkfifo /tmp/keys
exec 7<>/tmp/keys
prompts() { grep -q Password: /tmp/terminal; }
terminal() { # command
    : >/tmp/terminal
    script --quiet --flush --return --command "setpriv --reuid=$uid --regid=$uid --clear-groups $*" /tmp/terminal <&7 >/dev/null &
}
terminal aikmctl mode advise
until_true 120 prompts || { cat /tmp/terminal; fail "nobody asks for a password"; }
echo opensesame >&7
wait $! || { cat /tmp/terminal; fail "the right password does not help"; }
mode_is advise || fail "the mode is not advise"
aikmctl policy reset
terminal aikmctl --no-ask-password mode advise
! wait $! || fail "without a password the mode is set"
! prompts || fail "--no-ask-password asks for one"
grep -q 'sudo aikmctl' /tmp/terminal || { cat /tmp/terminal; fail "it does not say what to do"; }
exec 7>&-
userdel aikm-admin

step "it may put back what was done to processes of its own"
perl -e '$0 = "vm-server"; while (1) { select undef, undef, undef, 0.005; my $n = 0; $n++ while $n < 3000 }' &
scene+=($!)
hog_as $uid
hog_as 0
hog_as 0
scene_policy restore 500ms
systemctl reload aikmd
nice_is() { [ "$(ps -o ni= -p "$1" | tr -d ' ')" = "$2" ]; }
for hog in "${as_user[@]}"; do
    until_true 120 nice_is "$hog" 19 || fail "hog $hog is not demoted"
done
refused aikmctl --no-ask-password rollback "pid:${as_user[1]}"
nice_is "${as_user[1]}" 19 || fail "another user's process was put back"
nobody aikmctl --no-ask-password rollback "pid:${as_user[0]}" >/tmp/rollback || fail "a user may not put back what was done to its own process"
grep -q . /tmp/rollback
journalctl --sync
journalctl -u aikmd -o json --no-pager | grep '"AIKM_VERB":"rollback"' | grep '"MESSAGE":"Rolled back: what pid' >/dev/null ||
    fail "the journal does not say who put it back"
scene_end
rm -f /etc/aikmd/policy.d/90-scene.json
systemctl reload aikmd
aikmctl rollback all >/dev/null

step "without polkit root alone may change anything"
systemctl mask --runtime --now polkit 2>/dev/null
! said=$(nobody aikmctl --no-ask-password mode advise 2>&1) || fail "without polkit a user may set the mode"
[[ $said == *"only root"* ]] || fail "it does not say why: $said"
nobody aikmctl status >/dev/null || fail "without polkit a user may not look"
aikmctl mode advise >/dev/null || fail "without polkit root may not set the mode"
aikmctl policy reset >/dev/null
systemctl unmask --runtime polkit 2>/dev/null

step "it can neither crash nor fatten the daemon"
everything >/tmp/before
nobody "$fuzz" 300 >/dev/null || : # caches fill
before=$(resident)
nobody timeout 1500 "$fuzz" 10000 2 || fail "the fuzzer is not satisfied"
after=$(resident)
echo "resident: $before KiB, then $after KiB"
[ "$after" -lt $((before + 16384)) ] || fail "it grew from $before KiB to $after KiB"
[ "$(show MainPID)" = "$pid" ] || fail "it is another process: $(show MainPID), not $pid"
shows NRestarts 0 || fail "it was restarted"
everything >/tmp/after
diff /tmp/before /tmp/after || fail "something has changed"
aikmctl mode advise >/dev/null || fail "root is not served any more"
aikmctl policy reset >/dev/null
nobody aikmctl ps >/dev/null || fail "the user may not look any more"
echo "unprivileged: fine"
