# SPDX-License-Identifier: GPL-2.0-or-later
"""The arms: what is done about the hogs. `before`, with the victim at work, starts what has to find them by itself; `begin` treats them
as they have started; `end` puts back, before the scene ends. `autogroup` is what kernel.sched_autogroup_enabled is all the while,
for both kinds of sessions or by kind."""
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections import namedtuple

import ioprio
import keeper
import scene as scenes
import slices
from scene import HERE, Failed

Arm = namedtuple("Arm", "autogroup before begin end sessions what")
BOTH = ("same", "different")
V1 = pathlib.Path("/sys/fs/cgroup/cpu")
V2 = pathlib.Path("/sys/fs/cgroup")


def nothing(cell):
    pass


def each_hog(cell, change):
    """Threads that start meanwhile are met in a later pass; what starts after that inherits."""
    for _ in range(3):
        for tid in scenes.threads(cell.scene.hog_pids()):
            try:
                change(tid)
            except ProcessLookupError:
                pass
        time.sleep(0.1)


def nice_begin(cell):
    each_hog(cell, lambda tid: os.setpriority(os.PRIO_PROCESS, tid, 19))


def nice_io_begin(cell):
    def change(tid):
        os.setpriority(os.PRIO_PROCESS, tid, 19)
        ioprio.set_class(tid, "idle")
    each_hog(cell, change)


def slice_begin(cell):
    each_hog(cell, lambda tid: slices.set_other(tid, 19, 20_000_000))


def idle_begin(cell):
    each_hog(cell, lambda tid: os.sched_setscheduler(tid, os.SCHED_IDLE, os.sched_param(0)))


def session_begin(cell):
    own = scenes.autogroup(cell.scene.root)
    if not own:
        raise Failed("this kernel has no autogroups")
    for pid in cell.scene.hog_pids():
        group = scenes.autogroup(pid)
        if group and group[0] != own[0] and group[1] != 19:
            pathlib.Path(f"/proc/{pid}/autogroup").write_text("19")


def cgroup_begin(cell, settings):
    """settings: the file and value for v1, and for v2. The group is removed when its processes have ended with the scene."""
    v1 = (V1 / "cpu.shares").exists()
    if not v1 and "cpu" not in scenes.read(V2 / "cgroup.subtree_control").split():
        raise Failed("no cpu controller for control groups")
    cell.cgroup = (V1 if v1 else V2) / f"aikm-effect-{os.getpid()}"
    cell.keeper.tell("cgroup", cell.cgroup)
    cell.cgroup.mkdir()
    name, value = settings[0 if v1 else 1]
    if not (cell.cgroup / name).exists():
        raise Failed(f"this kernel has no {name}")
    (cell.cgroup / name).write_text(value)
    put_hogs(cell, cell.cgroup)


def cgroup_end(cell):
    put_hogs(cell, cell.cgroup.parent)


def put_hogs(cell, group):
    """Processes that start meanwhile are met in a later pass; what starts after that inherits."""
    for _ in range(3):
        for pid in cell.scene.hog_pids():
            try:
                (group / "cgroup.procs").write_text(str(pid))
            except ProcessLookupError:
                pass
        time.sleep(0.1)


def helper_begin(cell, command, environment=None):
    """A process that ends when the bench does."""
    with open(cell.folder / "helper.log", "wb") as log:
        cell.helper = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], env={**os.environ, **(environment or {})},
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    cell.keeper.tell("helper", f"{cell.helper.pid} {keeper.started(cell.helper.pid)}")


def helper_end(cell):
    helper = cell.helper
    if not helper:
        return
    if helper.poll() is not None:
        raise Failed(f"it ended with {helper.returncode}: {scenes.read(cell.folder / 'helper.log').strip().splitlines()[-1:]}")
    helper.send_signal(signal.SIGTERM)
    try:
        helper.wait(20)
    except subprocess.TimeoutExpired as e:
        helper.kill()
        helper.wait()
        raise Failed("it did not stop") from e


def names_before(cell, rules):
    helper_begin(cell, [sys.executable, str(HERE / "names.py"), str(HERE / rules), str(cell.scene.root)])


def aikmd_before(cell, *extra):
    """A fresh daemon: no priors, no ledger, a scope of this scene alone."""
    settings = [word for setting in (f"scope=tree:{cell.scene.root}", *cell.settings) for word in ("--set", setting)]
    helper_begin(cell, [cell.aikmd, "--no-bus", "--mode=enforce", "--config-dir=/nonexistent", f"--runtime-dir={cell.folder}/aikmd",
                        f"--state-dir={cell.folder}/aikmd-state", *settings, *extra], {"AIKM_MODEL_DIR": cell.models})


def aikmd_end(cell):
    """It puts everything back as it stops."""
    helper_end(cell)
    if cell.helper.returncode != 0:
        raise Failed(f"aikmd failed: {scenes.read(cell.folder / 'helper.log').strip().splitlines()[-1:]}")
    left = [what for what in cell.scheduling() if "IDLE" in what or "BATCH" in what or "/19" in what or "session" in what]
    if left:
        raise Failed(f"aikmd left {left[0]}")


# In one session aikmd differs from nothing by itself alone; between sessions it has to deal with what a kernel has by default.
BY_SESSION = {"same": 0, "different": 1}

WEIGHT = (("cpu.shares", "20"), ("cpu.weight", "2"))
IDLE = (("cpu.idle", "1"), ("cpu.idle", "1"))

ARMS = {
    "nothing": Arm(0, nothing, nothing, nothing, BOTH, "nothing is done; autogroup is off"),
    "autogroup": Arm(1, nothing, nothing, nothing, BOTH, "the kernel's autogroup, on, as it is by default; nothing else is done"),
    "names-blind": Arm(0, lambda cell: names_before(cell, "rules-blind.json"), nothing, helper_end, BOTH,
                       "static rules by name that know none of these programs; autogroup off, as such daemons' own units set it"),
    "names": Arm(0, lambda cell: names_before(cell, "rules-known.json"), nothing, helper_end, BOTH,
                 "static rules by name that know every hog: nice 16, I/O idle, SCHED_IDLE; autogroup off"),
    "hand": Arm(None, None, None, None, BOTH, "the best hand-made setting of the pair, see below"),
    "aikmd-rules": Arm(BY_SESSION, lambda cell: aikmd_before(cell, "--model=rules"), nothing, aikmd_end, BOTH,
                       "aikmd --mode=enforce --model=rules, started afresh; autogroup off in the same session, on in different ones"),
    "aikmd": Arm(BY_SESSION, aikmd_before, nothing, aikmd_end, BOTH,
                 "aikmd --mode=enforce with the shipped network, started afresh; autogroup off in the same session, on in different ones"),
}

# What an expert might do about hogs that he knows; the best one of each pair is chosen in a pass of its own before the measured one.
SETTINGS = {
    "nice 19": Arm(0, nothing, nice_begin, nothing, BOTH, "nice 19 on each thread of the hogs; autogroup off"),
    "nice 19, I/O idle": Arm(0, nothing, nice_io_begin, nothing, BOTH, "nice 19 and the idle I/O class on each thread of the hogs; autogroup off"),
    "nice 19, slice 20 ms": Arm(0, nothing, slice_begin, nothing, BOTH, "nice 19 and a slice of 20 ms on each thread of the hogs; autogroup off"),
    "SCHED_IDLE": Arm(0, nothing, idle_begin, nothing, BOTH, "SCHED_IDLE on each thread of the hogs; autogroup off"),
    "cpu weight": Arm(0, nothing, lambda cell: cgroup_begin(cell, WEIGHT), cgroup_end, BOTH,
                      "the hogs in a control group of 2 % of the default weight; autogroup off"),
    "cpu.idle": Arm(0, nothing, lambda cell: cgroup_begin(cell, IDLE), cgroup_end, BOTH, "the hogs in a control group with cpu.idle; autogroup off"),
    "autogroup nice 19": Arm(1, nothing, session_begin, nothing, ("different",), "autogroup on, and nice 19 for the hogs' session"),
}


def settings(session, hog):
    """Which may help there, by name."""
    return [name for name, arm in SETTINGS.items() if session in arm.sessions and (name != "nice 19, I/O idle" or hog.work == "written")]


# Beside them: the victim without any hogs.
ALONE = Arm(0, nothing, nothing, nothing, BOTH, "no hogs at all")
