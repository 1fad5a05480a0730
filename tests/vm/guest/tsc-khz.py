#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints how fast this machine's time stamp counter counts, in kHz; x86-64 alone. An emulated kernel that has to measure it while the
machine is busy may be wrong by a factor, and its clock with it."""

import ctypes
import mmap
import time

RDTSC = b'\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3'  # rdtsc; shl $32, %rdx; or %rdx, %rax; ret


def main():
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(RDTSC)
    counter = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))

    def sample():
        """The counter and the clock at one moment: of several the pair that was least disturbed."""
        pairs = []
        for _ in range(50):
            before, now, after = counter(), time.monotonic_ns(), counter()
            pairs.append((after - before, (before + after) // 2, now))
        return min(pairs)[1:]

    ticks, clock = sample()
    time.sleep(0.2)
    more_ticks, later = sample()
    print(round((more_ticks - ticks) * 1e6 / (later - clock)))


main()
