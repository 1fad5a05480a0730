#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The unit test of aikmd's own control groups where the cpu controller is with cgroup v2. Those groups are for machines without systemd,
# so it is hidden from the test; what the test made and enabled has to be gone afterwards.
. ./lib.sh

state() { find /sys/fs/cgroup -maxdepth 1 -type d | sort; cat /sys/fs/cgroup/cgroup.subtree_control; }
before=$(state)
check "the test runs, and passes" env LD_LIBRARY_PATH=. unshare -m sh -c 'mount -t tmpfs none /run/systemd && exec ./test-cgroup-v2'
check "groups and controllers are as before" equal "$(state)" "$before"
finish
