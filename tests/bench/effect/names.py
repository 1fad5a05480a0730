#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""names.py RULES ROOT: static rules by name, as ananicy has them, for the processes below ROOT: every second, each thread of a process
whose name a rule of RULES has gets that rule's nice value, I/O class and scheduling policy. A line a rule, JSON; # begins a comment."""
import json
import os
import sys
import time

sys.dont_write_bytecode = True

import ioprio
import scene

POLICIES = {"other": os.SCHED_OTHER, "batch": os.SCHED_BATCH, "idle": os.SCHED_IDLE}


def read_rules(path):
    rules = {}
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.partition("#")[0].strip()
            if not line:
                continue
            try:
                rule = json.loads(line)
                rules[rule.pop("name")[:15]] = rule
                if (not set(rule) <= {"nice", "ioclass", "sched"} or rule.get("ioclass", "idle") not in ioprio.CLASSES
                        or rule.get("sched", "idle") not in POLICIES):
                    raise ValueError("takes name, nice, ioclass (best-effort, idle), sched (other, batch, idle)")
            except (ValueError, KeyError, AttributeError, TypeError) as e:
                sys.exit(f"{path}:{number}: not a rule: {e}")
    return rules


def apply(rule, tid):
    try:
        if "nice" in rule:
            os.setpriority(os.PRIO_PROCESS, tid, rule["nice"])
        if "sched" in rule:
            os.sched_setscheduler(tid, POLICIES[rule["sched"]], os.sched_param(0))
    except OSError:
        return  # it is gone
    if "ioclass" in rule:
        ioprio.set_class(tid, rule["ioclass"])


def main():
    if len(sys.argv) != 3 or not sys.argv[2].isdigit():
        sys.exit("usage: names.py RULES ROOT")
    rules, root = read_rules(sys.argv[1]), int(sys.argv[2])
    done = set()
    while os.path.exists(f"/proc/{root}"):
        for pid in scene.tree(root):
            rule = rules.get(scene.read(f"/proc/{pid}/comm").rstrip("\n"))
            for tid in scene.threads([pid]) if rule else ():
                if tid not in done:
                    apply(rule, tid)
                    done.add(tid)
        time.sleep(1)


main()
