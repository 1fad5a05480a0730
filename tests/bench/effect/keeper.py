# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that outlives the bench by a moment and puts back what it changed outside its scenes, however it ends: the autogroup sysctl,
control groups, folders; what helpers do at their end it awaits. The scenes' processes need no keeper: the kernel ends them with the bench."""
import os
import pathlib
import signal
import time

import scene


def put_back(what, value):
    if what == "sysctl":
        path, _, text = value.partition("=")
        pathlib.Path(path).write_text(text)
    elif what == "cgroup":
        remove_group(value)
    elif what == "folder":
        scene.remove(value, seconds=60)
    elif what == "helper":
        await_end(*value.split())


def started(pid):
    """When it did, in ticks as a text; nothing if it has ended."""
    state, *fields = scene.read(f"/proc/{pid}/stat").rpartition(")")[2].split() or ["Z"]
    return fields[18] if state != "Z" else ""


def await_end(pid, start=""):
    """A daemon may still be putting back, and would make its folder anew."""
    for _ in range(1200):
        if not start or started(pid) != start:
            return
        time.sleep(0.05)


def remove_group(path):
    """One whose processes are about to end. Returns whether it is gone."""
    for _ in range(200):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


class Keeper:
    def __init__(self):
        reader, self.writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.writer)
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_IGN)
            with open(reader, encoding="utf-8") as f:
                told = f.read().splitlines()
            for line in reversed(told):
                try:
                    put_back(*line.split(" ", 1))
                except OSError:
                    pass
            os._exit(0)
        os.close(reader)

    def tell(self, what, value):
        """Before the change is made."""
        os.write(self.writer, f"{what} {value}\n".encode())

    def end(self):
        os.close(self.writer)
        os.waitpid(self.pid, 0)
