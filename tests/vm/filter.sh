#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest with aikmd installed, as root: a traffic filter under the service's sandbox, on a veth pair. Attached, enforcing, swapped, kept
# over a restart and a crash, or detached, as policy says; refused to others.
set -euo pipefail
# shellcheck source=scene.sh
. "$(dirname "$(realpath "$0")")/scene.sh"

payload=$(dirname "$(realpath "$0")")
pins() { echo "/sys/fs/bpf/aikmd/if$(cat "/sys/class/net/$1/ifindex")"; }
is_attached() { ip link show "$1" | grep -q xdp; }
of_filter() { aikmctl filter status --json | tr -d '\n' | grep -o "\"$1\": *[^,}]*" | sed -n '1s/^[^:]*: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p'; }
has() { [ "$(of_filter "$1")" = "$2" ]; }
at_least() { [ "$(of_filter "$1")" -ge "$2" ]; }
send_packets() { # how many, to a port that nobody serves
    ip netns exec peer bash -c "for _ in \$(seq $1); do echo x >/dev/udp/10.7.0.1/9; done" 2>/dev/null || :
}
filter_policy() { # on_stop
    mkdir -p /etc/aikmd/policy.d
    printf '{"filter": {"on_stop": "%s"}}\n' "$1" >/etc/aikmd/policy.d/90-filter.json
    systemctl reload aikmd
}

ip netns add peer
ip link add v0 type veth peer name v1 netns peer
ip addr add 10.7.0.1/24 dev v0
ip link set v0 up
ip -n peer addr add 10.7.0.2/24 dev v1
ip -n peer link set v1 up
systemctl restart aikmd

step "nothing is attached unasked, and a model that is not there is named"
[ "$(aikmctl filter status)" = "No interface has a filter." ] || fail "there is a filter"
! said=$(aikmctl filter attach v0 --model nothing 2>&1) || fail "a model that is not there is attached"
[[ $said == *"there is no filter model nothing"* ]] || fail "it says: $said"

step "others may look, and nothing else"
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
nobody aikmctl filter status >/dev/null || fail "others may not look"
! nobody aikmctl --no-ask-password filter attach v0 --model "$payload/filter-always-1.bpf.o" 2>/dev/null || fail "others may attach"

step "what comes with the package is attached where no model is named"
aikmctl filter attach v0 || fail "the shipped model cannot be attached"
has model default-filter || fail "the model is $(of_filter model)"
send_packets 40
until_true 60 at_least packets 40 || fail "$(of_filter packets) of 40 packets were judged"
has dropped 0 || fail "it drops in shadow"
aikmctl filter detach v0

step "attached in the sandbox, judging, dropping nothing"
aikmctl filter attach v0 --model "$payload/filter-always-1.bpf.o" || fail "it cannot be attached"
is_attached v0 || fail "the kernel has no program on v0"
[ -e "$(pins v0)/link" ] || fail "it is not pinned"
has path native || fail "its path is $(of_filter path)"
aikmctl ledger | grep ' filter ' >/dev/null || fail "the ledger does not know it"
send_packets 40
until_true 60 at_least malicious 40 || fail "$(of_filter malicious) of 40 packets were judged malicious"
has dropped 0 || fail "it drops in shadow"

step "it drops for a time"
aikmctl filter mode enforce v0 --for 30m --kill-share 1
send_packets 40
until_true 60 at_least dropped 40 || fail "$(of_filter dropped) of 40 packets were dropped"
aikmctl filter top v0 | grep 10.7.0.2 >/dev/null || fail "its sources are not known"
aikmctl filter explain 10.7.0.2 | grep malicious >/dev/null || fail "it is not explained"

step "another model takes the old one's place"
mkdir -p /var/lib/aikmd/filters
cp "$payload/filter-always-0.bpf.o" /var/lib/aikmd/filters/never.bpf.o
aikmctl filter attach v0 --model never
has model never || fail "the model is $(of_filter model)"
aikmctl filter attach v0 --model "$payload/filter-always-1.bpf.o"

step "kept over a restart and a crash"
filter_policy keep
dropped=$(of_filter dropped)
systemctl stop aikmd
is_attached v0 || fail "it is gone with the service"
send_packets 20
systemctl start aikmd
until_true 60 at_least dropped $((dropped + 20)) || fail "of what it did meanwhile nothing is known: $(of_filter dropped) after $dropped"
has mode enforce || fail "the lease is lost: $(of_filter mode)"
restarts=$(show NRestarts)
kill -KILL "$(show MainPID)"
until_true 120 shows NRestarts $((restarts + 1)) || fail "it is not started again"
until_shows ActiveState active
is_attached v0 || fail "it is gone after a crash"
until_true 60 has mode enforce || fail "the lease is lost after a crash: $(of_filter mode)"

step "detached at stop and after a crash, where policy says so"
filter_policy detach
kill -KILL "$(show MainPID)"
until_true 120 shows NRestarts $((restarts + 2)) || fail "it is not started again"
until_shows ActiveState active
! is_attached v0 || fail "it stays after a crash"
aikmctl filter attach v0 --model never
systemctl stop aikmd
! is_attached v0 || fail "it stays after a stop"
[ -z "$(ls /sys/fs/bpf/aikmd)" ] || fail "pins stay: $(ls /sys/fs/bpf/aikmd)"
systemctl start aikmd

step "several of them fit into the service's memory"
for i in 1 2 3 4; do
    ip link add "m$i" type veth peer name "n$i"
    aikmctl filter attach "m$i" --model never || fail "number $i cannot be attached"
done
echo "memory: $(($(cat /sys/fs/cgroup/system.slice/aikmd.service/memory.current) >> 20)) MiB"
aikmctl rollback all
[ "$(aikmctl filter status)" = "No interface has a filter." ] || fail "a rollback leaves filters"

step "by policy, on an interface that comes later"
cat >/etc/aikmd/policy.d/90-filter.json <<'END'
{"filter": {"interfaces": [{"interface": "late0", "model": "never", "allow": ["10.0.0.0/8"]}]}}
END
systemctl reload aikmd
ip link add late0 type veth peer name late1
until_true 60 is_attached late0 || fail "policy's filter does not come"
ip link del late0
nothing_attached() { [ "$(aikmctl filter status)" = "No interface has a filter." ]; }
until_true 60 nothing_attached || fail "a filter outlives its interface"
rm /etc/aikmd/policy.d/90-filter.json
systemctl reload aikmd

step "a container takes an interface along, without its filter"
ip link add away0 type veth peer name away1
aikmctl filter attach away0 --model never
ip link set away0 netns peer
until_true 60 nothing_attached || fail "a filter follows its interface into another namespace"
! ip -n peer link show away0 | grep xdp || fail "a program of ours stays in another namespace"

journalctl --sync
for words in 'attached to v0, in shadow' 'drops malicious packets, for' 'is taken over' 'detached from'; do
    journalctl -u aikmd -o cat --no-pager | grep "$words" >/dev/null || fail "the journal does not say '$words'"
done

step "the package takes along what policy would keep, whatever became of the ledger"
filter_policy keep
aikmctl filter attach v0 --model never
systemctl stop aikmd
is_attached v0 || fail "policy keeps it, and it is gone"
rm -rf /run/aikmd
DEBIAN_FRONTEND=noninteractive dpkg -r aikmd >removed 2>&1 || { cat removed; fail "the package cannot be removed"; }
! is_attached v0 || fail "a filter outlives its package"
[ -z "$(ls /sys/fs/bpf/aikmd 2>/dev/null)" ] || fail "pins outlive the package: $(ls /sys/fs/bpf/aikmd)"
echo "filter: fine"
