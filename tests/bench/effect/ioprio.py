# SPDX-License-Identifier: GPL-2.0-or-later
"""The I/O class of threads, for which Python has no call."""
import ctypes
import os

CLASSES = {"best-effort": 2, "idle": 3}
SYS_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}.get(os.uname().machine)
WHO_PROCESS = 1

libc = ctypes.CDLL(None)


def set_class(tid, name):
    if SYS_IOPRIO_SET:
        libc.syscall(SYS_IOPRIO_SET, WHO_PROCESS, tid, CLASSES[name] << 13)
