# SPDX-License-Identifier: GPL-2.0-or-later
"""Nice value and time slice of threads, for which Python has no call (sched_setattr(2); kernels before 6.12 leave the slice alone)."""
import ctypes
import os
import struct

SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274, "ppc64le": 355, "s390x": 345}.get(os.uname().machine)
# size, policy, flags, nice, priority, runtime, deadline, period, util_min, util_max
SCHED_ATTR = struct.Struct("=IIQiIQQQII")

libc = ctypes.CDLL(None, use_errno=True)


def set_other(tid, nice, slice_ns):
    """SCHED_OTHER with that nice value and slice."""
    attr = SCHED_ATTR.pack(SCHED_ATTR.size, os.SCHED_OTHER, 0, nice, 0, slice_ns, 0, 0, 0, 0)
    if SYS_SCHED_SETATTR and libc.syscall(SYS_SCHED_SETATTR, tid, attr, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
