#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make-pcaps.py GOOD.pcap BAD.pcap: some thousand frames of people's and a busy client's traffic, and of scans and a flood. The same bytes
each time."""
import random
import struct
import sys

SYN, ACK, PSH, FIN, RST = 2, 16, 8, 1, 4


def frame(source, destination, protocol, transport, size):
    """Ethernet and IPv4 around a transport header and zeros."""
    payload = bytes(size)
    length = 20 + len(transport) + size
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, length, 0, 0x4000, 64, protocol, 0, bytes(source), bytes(destination))
    return bytes(12) + b'\x08\x00' + ip + transport + payload


def tcp(source, sport, destination, dport, flags, size=0, options=0):
    words = 5 + options // 4
    header = struct.pack('>HHIIBBHHH', sport, dport, 0, 0, words << 4, flags, 29200, 0, 0) + bytes(options)
    return frame(source, destination, 6, header, size)


def udp(source, sport, destination, dport, size):
    return frame(source, destination, 17, struct.pack('>HHHH', sport, dport, 8 + size, 0), size)


def conversation(r, client, server, dport, rounds, most):
    """A handshake, questions and answers, an end; pauses as people and networks make them."""
    sport = r.randrange(32768, 61000)
    one, other = (client, sport, server, dport), (server, dport, client, sport)
    yield 0.02, tcp(*one, SYN, options=20)
    yield 0.01, tcp(*other, SYN | ACK, options=20)
    yield 0.001, tcp(*one, ACK, options=12)
    for _ in range(rounds):
        yield r.expovariate(4), tcp(*one, PSH | ACK, r.randrange(30, 600), 12)
        for _ in range(r.randrange(1, 8)):
            yield 0.0005, tcp(*other, ACK, r.randrange(200, most), 12)
        yield 0.001, tcp(*one, ACK, options=12)
    yield 0.01, tcp(*one, FIN | ACK, options=12)
    yield 0.01, tcp(*other, FIN | ACK, options=12)


def good(r):
    for _ in range(120):
        client, server = (10, 0, 0, r.randrange(2, 30)), (198, 51, 100, r.randrange(1, 40))
        yield r.expovariate(3), udp(client, r.randrange(1024, 65535), (10, 0, 0, 1), 53, r.randrange(25, 60))
        yield 0.01, udp((10, 0, 0, 1), 53, client, 5353, r.randrange(60, 400))
        kind = r.choice(((443, 8, 1448), (80, 4, 1448), (22, 20, 300)))
        yield from conversation(r, client, server, *kind)
    yield from busy(r)


def busy(r):
    """One client that opens 500 connections a second, for a question and a short answer each; more than half of its packets are empty."""
    events = []
    for i in range(1000):
        one = (10, 0, 0, 40), r.randrange(32768, 61000), (10, 0, 0, 5), 80
        other = *one[2:], *one[:2]
        at = 2 + i / 500
        for pause, data in ((0, tcp(*one, SYN, options=20)), (0.0002, tcp(*other, SYN | ACK, options=20)), (0.0001, tcp(*one, ACK, options=12)),
                            (0.001, tcp(*one, PSH | ACK, 90, 12)), (0.0002, tcp(*other, ACK, 0, 12)),
                            (0.0002, tcp(*other, PSH | ACK, 300, 12)), (0.0002, tcp(*one, ACK, options=12)),
                            (0.001, tcp(*one, FIN | ACK, options=12)), (0.0001, tcp(*other, FIN | ACK, options=12)),
                            (0.0001, tcp(*one, ACK, options=12))):
            at += pause
            events.append((at, data))
    last = 0
    for at, data in sorted(events, key=lambda e: e[0]):
        yield at - last, data
        last = at


def bad(r):
    for n in range(20):
        source = (203, 0, 113, n + 1)
        kind = n % 4
        for i in range(150):
            if kind == 0:  # one host's ports
                yield 0.002, tcp(source, 40000, (10, 0, 0, 5), r.randrange(1, 10000), SYN, options=4)
            elif kind == 1:  # one port of a network
                yield 0.002, tcp(source, 50000 + i, (10, 0, r.randrange(4), r.randrange(1, 250)), 22, SYN)
            elif kind == 2:  # a flood
                yield 0.0002, tcp(source, r.randrange(1024, 65535), (10, 0, 0, 5), 80, SYN)
            else:
                yield 0.002, udp(source, 40000, (10, 0, 0, 5), r.randrange(1, 10000), 0)


def write(path, frames):
    now = 1_600_000_000.0
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for pause, data in frames:
            now += pause
            f.write(struct.pack('<IIII', int(now), int(now % 1 * 1e6), len(data), len(data)) + data)


write(sys.argv[1], good(random.Random(1)))
write(sys.argv[2], bad(random.Random(2)))
