#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""initrd.py VMLINUZ MODULES BUSYBOX OUT: writes OUT/vmlinux, the kernel uncompressed (it boots seconds sooner under emulation), and
OUT/initrd, which loads virtio's disk driver from the folder MODULES and hands over to the system on /dev/vda."""

import os
import subprocess
import sys

DRIVERS = ('virtio_pci', 'virtio_blk', 'ext4')
LINKS = ('sh', 'mount', 'insmod', 'switch_root')


def unpack(program, data):
    return subprocess.run([program, '-dcq'], input=data, capture_output=True, check=False).stdout


def uncompressed(kernel):
    """The ELF image inside a bzImage, wherever its compressed part starts."""
    for magic, program in ((b'\x28\xb5\x2f\xfd', 'zstd'), (b'\x02\x21\x4c\x18', 'lz4'), (b'\xfd7zXZ\0', 'xz')):
        at = kernel.find(magic)
        while at >= 0:
            elf = unpack(program, kernel[at:])
            if elf[:4] == b'\x7fELF':
                return elf
            at = kernel.find(magic, at + 4)
    return None


def needed(modules):
    """Paths of the drivers and what they depend on, in the order of loading."""
    with open(modules + '/modules.dep', encoding='ascii') as f:
        depends = {line.split(':')[0]: line.split(':')[1].split() for line in f}
    paths = []

    def add(path):
        for d in reversed(depends[path]):
            add(d)
        if path not in paths:
            paths.append(path)

    for driver in DRIVERS:
        for path in depends:
            if os.path.basename(path).split('.')[0] == driver:
                add(path)
    return paths


def archive(files):
    """A cpio archive (newc) of (name, mode, content)."""
    out = b''
    for number, (name, mode, content) in enumerate(files, 1):
        name = name.encode() + b'\0'
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        head = b'070701' + b''.join(b'%08X' % f for f in fields) + name
        out += head + b'\0' * (-len(head) % 4) + content + b'\0' * (-len(content) % 4)
    return out


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def main():
    vmlinuz, modules, busybox, out = sys.argv[1:]
    vmlinux = uncompressed(read(vmlinuz))
    if not vmlinux:
        return f'initrd.py: {vmlinuz}: compressed in a way that is not known here'
    init = '#!/bin/sh\nmount -t devtmpfs dev /dev\n'
    files = [('bin', 0o40755, b''), ('dev', 0o40755, b''), ('root', 0o40755, b''), ('bin/busybox', 0o100755, read(busybox))]
    files += [('bin/' + name, 0o120777, b'busybox') for name in LINKS]
    for number, path in enumerate(needed(modules)):
        module = read(modules + '/' + path)
        files.append((f'{number}.ko', 0o100644, unpack('xz', module) if path.endswith('.xz') else module))
        init += f'insmod /{number}.ko\n'
    init += 'mount -t ext4 /dev/vda /root && mount --move /dev /root/dev && exec switch_root /root /sbin/init "$@"\n'
    files += [('init', 0o100755, init.encode()), ('TRAILER!!!', 0, b'')]
    for name, content in (('vmlinux', vmlinux), ('initrd', archive(files))):
        with open(f'{out}/{name}', 'wb') as f:
            f.write(content)
    return 0


sys.exit(main())
