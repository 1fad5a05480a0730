#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that no capture at hand has: make_traffic.py > packets_made.csv

Benign loads at rates that servers see, and SYN floods of one port, from one source, a few and forged ones. In the columns that aikm-packets
takes. They teach; no figure of docs/filter-model.md is made of them. The same bytes each time.
"""
import itertools
import random

SYN, ACK, PSH, FIN = 2, 16, 8, 1
PACKETS = 6000  # of a scenario, at most


def tcp(source, sport, destination, dport, flags, options=12, size=0):
    return source, destination, 6, 40 + options + size, sport, dport, flags, size


def udp(source, sport, destination, dport, size):
    return source, destination, 17, 28 + size, sport, dport, 0, size


def conversation(r, start, client, server, dport, *, rounds, pause, asks, answers, acks):
    """(time, packet): a handshake, `rounds` questions and answers, an end. asks, answers: payload from, to; acks: bare ones, too."""
    sport, t, trip = r.randrange(32768, 61000), start, r.choice((0.0001, 0.001, 0.02))
    one, other = (client, sport, server, dport), (server, dport, client, sport)
    yield t, tcp(*one, SYN, 20)
    yield t + trip, tcp(*other, SYN | ACK, 20)
    t += trip * 1.1
    yield t, tcp(*one, ACK)
    for _ in range(rounds):
        t += r.expovariate(1 / pause)
        yield t, tcp(*one, PSH | ACK, size=r.randint(*asks))
        t += trip
        if acks:
            yield t, tcp(*other, ACK)
        left = r.randint(*answers)
        while left > 0:
            t += 0.00002
            yield t, tcp(*other, PSH | ACK, size=min(left, 1448))
            left -= 1448
        t += trip
        if acks or left < -700:
            yield t, tcp(*one, ACK)
    yield t + 0.001, tcp(*one, FIN | ACK)
    yield t + 0.001 + trip, tcp(*other, FIN | ACK)
    yield t + 0.0011 + trip * 2, tcp(*one, ACK)


def requests(r, rate, clients, dport, **how):
    """New connections at that rate."""
    t, client = 0, lambda: 2 + r.randrange(clients)
    for _ in range(PACKETS // 6):
        t += r.expovariate(rate)
        yield from conversation(r, t, client(), 1, dport, **how)


def sessions(r, n, dport, **how):
    """n connections that stay, one or several clients."""
    for i in range(n):
        yield from conversation(r, r.random() * 3, 2 + i % r.choice((1, 3)), 1, dport, **how)


def stream(r, rate, size, answered):
    """One way at a steady rate, by TCP with its acknowledgements or by UDP."""
    for i in range(PACKETS):
        t = i / rate * r.uniform(0.98, 1.02)
        if not answered:
            yield t, udp(2, 5004, 1, 5004, size)
            continue
        yield t, tcp(2, 40000, 1, 5001, ACK, size=size)
        if i % 2:
            yield t + 0.0001, tcp(1, 5001, 2, 40000, ACK)


def questions(r, rate, clients, servers):
    """DNS: of clients to a resolver, or of a resolver to the world's servers."""
    t = 0
    for _ in range(PACKETS // 2):
        t += r.expovariate(rate)
        client, server, port = 2 + r.randrange(clients), 1000 + r.randrange(servers), r.randrange(1024, 65535)
        yield t, udp(client, port, server, 53, r.randrange(25, 60))
        yield t + 0.01, udp(server, 53, client, port, r.randrange(60, 480))


def silence(r, connections, pause):
    """Connections that only say that they are there."""
    for i in range(connections):
        for k in range(60):
            t = i * 0.7 + k * pause
            yield t, tcp(2, 40000 + i, 1, 22, ACK)
            yield t + 0.001, tcp(1, 22, 2, 40000 + i, ACK)


def flood(r, rate, sources, options, ports=1):
    t = 0
    for i in range(PACKETS):
        t += r.expovariate(rate)
        source = 2 + (i if sources == 0 else r.randrange(sources))
        yield t, tcp(source, r.randrange(1024, 65535), 1, r.choice((80, 443, 22)[:ports]), SYN, options)


SMALL = {'asks': (40, 200), 'answers': (60, 500)}
LARGE = {'asks': (200, 700), 'answers': (2000, 40000)}
KEYS = {'asks': (36, 36), 'answers': (36, 300)}
BENIGN = {
    **{f'http-{rate}-{clients}-{name}': (lambda r, rate=rate, clients=clients, how=how, rounds=rounds, acks=acks:
                                         requests(r, rate, clients, 80, rounds=rounds, pause=0.001, acks=acks, **how))
       for (rate, clients), (name, how, rounds, acks) in itertools.product(
           ((5, 1), (50, 1), (300, 1), (1500, 1), (300, 40)),
           (('small', SMALL, 1, False), ('acked', SMALL, 1, True), ('kept', SMALL, 12, True), ('large', LARGE, 1, False)))},
    'ssh': lambda r: sessions(r, 6, 22, rounds=120, pause=0.2, acks=True, **KEYS),
    'ssh-script': lambda r: sessions(r, 10, 22, rounds=80, pause=0.002, acks=True, **KEYS),
    'ssh-many': lambda r: sessions(r, 40, 22, rounds=30, pause=0.05, acks=True, **KEYS),
    'ssh-plain': lambda r: sessions(r, 12, 22, rounds=80, pause=0.01, acks=False, **KEYS),
    'store': lambda r: sessions(r, 50, 6379, rounds=25, pause=0.0003, acks=False, asks=(30, 60), answers=(5, 60)),
    'upload': lambda r: stream(r, 8000, 1448, True),
    'copy': lambda r: stream(r, 900, 1448, True),
    'call': lambda r: stream(r, 50, 160, False),
    'video': lambda r: stream(r, 1200, 1316, False),
    'dns': lambda r: questions(r, 300, 200, 1),
    'resolver': lambda r: questions(r, 100, 1, 400),
    'alive': lambda r: silence(r, 8, 5),
    'alive-one': lambda r: silence(r, 1, 15),
}
MALICIOUS = {
    f'flood-{rate}-{sources or "forged"}-{options}': (lambda r, rate=rate, sources=sources, options=options: flood(r, rate, sources, options, 1 + rate % 3))
    for rate, sources, options in itertools.product((300, 5000, 40000), (1, 8, 0), (0, 4, 20)) if sources or not options}


def main():
    print('src,file,label,cls,ts_us,sid,did,v,proto,iplen,ihl,ttl,df,frag,sport,dport,flags,win,plen')
    for label, scenarios in enumerate((BENIGN, MALICIOUS)):
        for name, make in scenarios.items():
            packets = sorted(make(random.Random(name)), key=lambda p: p[0])[:PACKETS]
            for t, (source, destination, protocol, length, sport, dport, flags, size) in packets:
                print(f'made,{name},{label},{"flood" if label else "load"},{int(t * 1e6)},{source},{destination},4,{protocol},{length},20,64,1,0,'
                      f'{sport},{dport},{flags},0,{size}')


main()
