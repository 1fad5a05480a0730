#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest with aikmd installed, and with openssh-server and systemd-container, as root: aikmctl --host through real ssh and the real
# systemd-stdio-bridge, --machine into a real container.
set -euo pipefail

# The container's tree is this system's: never below what is removed at the end.
work=$(mktemp -d) tree=/run/aikm-remote-web sshd=
export HOME=/root
step() { echo "== $* ($SECONDS s)"; }
fail() {
    echo "remote: $*"
    [ ! -s "$work/err" ] || cat "$work/err"
    exit 1
}
finish() {
    [ -z "$sshd" ] || kill "$sshd" 2>/dev/null || :
    systemctl stop web 2>/dev/null || :
    ! mountpoint -q "$tree" || umount -l "$tree"
    [ ! -e "$tree" ] || rmdir "$tree"
    rm -rf "$work"
}
trap finish EXIT
until_true() { # seconds, command
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.3
    done
}
# Runs a command, whose output goes to out and err, and checks its status.
gives() { # status, command
    local wanted=$1 status=0
    shift
    "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    [ "$status" = "$wanted" ] || fail "$*: status $status, not $wanted"
}
out_has() { grep -qE -- "$1" "$work/out" || { cat "$work/out"; fail "the output is without: $1"; }; }
err_has() { grep -qE -- "$1" "$work/err" || fail "the message is without: $1"; }
as_alice() { runuser -u alice -- "$@"; }

systemctl is-active --quiet aikmd || systemctl start aikmd

step "this machine by its name as a machine"
gives 0 aikmctl -M .host status
out_has '^aikmd .* on \.host, running'
gives 0 aikmctl -M root@.host mode
gives 0 aikmctl -M .host ps --all
out_has '^ *1 root ' # its users are ours
gives 0 aikmctl --machine=.host top --once
gives 1 as_alice aikmctl -M .host mode
err_has 'cannot reach the system bus of this machine'
gives 1 aikmctl -M nosuch mode
err_has 'machine nosuch is not running'

step "this machine as a host"
mkdir -p /run/sshd /root/.ssh
chmod 700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f "$work/host"
[ -f /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
for user in root alice; do install -D -m 644 /root/.ssh/id_ed25519.pub "$work/keys/$user"; done
chmod 755 "$work" "$work/keys"
cat >"$work/sshd_config" <<END
Port 2222
ListenAddress 127.0.0.1
HostKey $work/host
AuthorizedKeysFile $work/keys/%u
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
StrictModes no
PidFile none
END
ip link set lo up
"$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$work/sshd_config" 2>"$work/sshd.log" &
sshd=$!
echo "[localhost]:2222 $(cut -d' ' -f1,2 "$work/host.pub")" >/root/.ssh/known_hosts
until_true 60 ssh -o BatchMode=yes -p 2222 root@localhost true 2>"$work/err" || { cat "$work/sshd.log"; fail "ssh does not work here"; }

here=root@localhost:2222
gives 0 aikmctl -H "$here" status
out_has "^aikmd .* on $here, running"
gives 0 aikmctl -H "$here" ps --all
out_has '^ *1 0 ' # users as numbers
! awk '{ print $2 }' "$work/out" | grep -E '^[a-z]' >/dev/null || fail "a local name for a user of another machine"
gives 0 aikmctl -H "$here" explain 1
out_has '^User +0$'
gives 0 aikmctl -H "$here" mode advise
gives 0 aikmctl mode
out_has advise
gives 0 aikmctl -H "$here" policy reset
gives 0 aikmctl -H "$here" top --batch -n 3
out_has "^aikmd .* on $here  mode observe"
gives 0 aikmctl -H "$here" ledger --json
gives 0 aikmctl -H "$here" rollback all
full_screen() { { sleep 8; printf q; } | TERM=vt100 LINES=24 COLUMNS=100 timeout 60 script -qec "aikmctl -H $here top" /dev/null; }
gives 0 full_screen
out_has "on $here  mode observe"

step "whoever ssh logs in is whom the daemon sees"
gives 0 aikmctl -H alice@localhost:2222 status
gives 1 aikmctl -H alice@localhost:2222 mode enforce
err_has 'refused|denied|authori'
gives 0 aikmctl mode
out_has observe

step "what fails says so"
gives 1 aikmctl -H root@localhost:2223 mode
err_has '^ssh: connect to host localhost port 2223: Connection refused'
err_has 'aikmctl: cannot reach root@localhost:2223: ssh failed'
gives 1 aikmctl -H bob@localhost:2222 mode
err_has 'Permission denied'
gives 1 aikmctl -H nosuchhost.invalid mode
err_has 'cannot reach nosuchhost.invalid: ssh failed'
bridge=$(command -v systemd-stdio-bridge)
mount --bind /dev/null "$bridge"
gives 1 aikmctl -H "$here" mode
err_has 'systemd-stdio-bridge, a part of systemd, cannot be run there'
umount "$bridge"
systemctl mask --runtime --now aikmd 2>/dev/null
gives 3 aikmctl -H "$here" mode
err_has "aikmd is not running on $here .*systemctl --host $here start aikmd"
systemctl unmask --runtime aikmd
systemctl start aikmd
gives 0 aikmctl -H "$here" mode

step "a container"
# This system itself once more, over which whatever it writes is laid and forgotten.
mkdir "$tree"
mount --bind / "$tree"
mount -o remount,bind,ro "$tree"
systemd-run --quiet --unit=web -p KillMode=mixed -p Type=notify -p TimeoutStartSec=240 -p Delegate=yes \
    systemd-nspawn --quiet --keep-unit --register=yes --machine=web --volatile=overlay -D "$tree" --notify-ready=yes --boot -- \
    --unit=multi-user.target systemd.show_status=0 || { journalctl --no-pager -n 40 -u web; fail "no container starts"; }
until_true 120 machinectl show -p State web >/dev/null 2>&1 || fail "the container is not registered"
until_true 120 busctl --machine=web --list --acquired >/dev/null 2>&1 || fail "the container has no system bus"
gives 0 systemctl -M web start aikmd
gives 0 aikmctl -M web status
out_has '^aikmd .* on web, running'
gives 0 aikmctl -M web mode advise
gives 0 aikmctl -M root@web mode
out_has advise
gives 0 aikmctl mode
out_has observe # ours is another
gives 0 aikmctl -M web ps --all
out_has '^ *1 0 '
gives 0 aikmctl -H "$here/web" mode
out_has advise
gives 1 as_alice aikmctl -M web mode
err_has 'cannot enter machine web: .*only root may'
gives 0 systemctl -M web mask --runtime --now aikmd
gives 3 aikmctl -M web mode
err_has 'aikmd is not running on web .*systemctl --machine web start aikmd'

echo "remote: fine"
