/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Frames put together by hand, layer by layer: each function appends one, frame_finish() fills in
 * the lengths. Addresses are 192.0.2.HOST (RFC 5737) or 2001:db8::HOST.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Frame {
        uint8_t bytes[2048];
        size_t size;
        size_t ip; /* offset, 0: none yet */
        size_t udp;
        uint8_t *next; /* where the next layer's protocol number goes */
} Frame;

static inline uint8_t *frame_push(Frame *f, size_t n) {
        uint8_t *p = f->bytes + f->size;

        memset(p, 0, n);
        f->size += n;
        return p;
}

static inline void put16(uint8_t *p, unsigned x) {
        p[0] = (uint8_t)(x >> 8 & 0xff);
        p[1] = (uint8_t)(x & 0xff);
}

static inline unsigned get16(const uint8_t *p) {
        return (unsigned)p[0] << 8 | p[1];
}

static inline void frame_ethernet(Frame *f, unsigned type) {
        uint8_t *p;

        memset(f, 0, sizeof(*f));
        p = frame_push(f, 14);
        p[0] = p[6] = 2; /* locally administered */
        p[5] = 1;
        p[11] = 2;
        put16(p + 12, type);
}

/* Between Ethernet and what follows: the tag takes over the type so far. */
static inline void frame_vlan(Frame *f, unsigned tpid, unsigned id) {
        unsigned type = get16(f->bytes + f->size - 2);
        uint8_t *p;

        put16(f->bytes + f->size - 2, tpid);
        p = frame_push(f, 4);
        put16(p, id);
        put16(p + 2, type);
}

static inline uint8_t *frame_ipv4(Frame *f, unsigned source, unsigned destination,
                                  unsigned protocol, unsigned words) {
        uint8_t *p;

        f->ip = f->size;
        p = frame_push(f, 20);
        p[0] = (uint8_t)(0x40 | words);
        p[8] = 64;
        p[9] = (uint8_t)protocol;
        p[12] = p[16] = 192;
        p[14] = p[18] = 2;
        p[15] = (uint8_t)source;
        p[19] = (uint8_t)destination;
        if (words > 5)
                memset(frame_push(f, (words - 5) * 4), 1, (words - 5) * 4); /* no-operation */
        f->next = p + 9;
        return p;
}

static inline uint8_t *frame_ipv6(Frame *f, unsigned source, unsigned destination, unsigned next) {
        uint8_t *p;

        f->ip = f->size;
        p = frame_push(f, 40);
        p[0] = 0x60;
        p[6] = (uint8_t)next;
        p[7] = 64;
        memcpy(p + 8, "\x20\x01\x0d\xb8", 4);
        memcpy(p + 24, "\x20\x01\x0d\xb8", 4);
        p[23] = (uint8_t)source;
        p[39] = (uint8_t)destination;
        f->next = p + 6;
        return p;
}

/* An extension header of n bytes (a multiple of 8; for authentication 51, of 4) in front of what is
 * to follow. */
static inline uint8_t *frame_extension(Frame *f, unsigned kind, size_t n) {
        uint8_t *p = frame_push(f, n);

        p[0] = *f->next;
        *f->next = (uint8_t)kind;
        if (kind == 51)
                p[1] = (uint8_t)(n / 4 - 2);
        else if (kind != 44)
                p[1] = (uint8_t)(n / 8 - 1);
        f->next = p;
        return p;
}

static inline uint8_t *frame_tcp(Frame *f, unsigned source_port, unsigned destination_port,
                                 unsigned flags, unsigned words) {
        uint8_t *p = frame_push(f, 20);

        put16(p, source_port);
        put16(p + 2, destination_port);
        p[12] = (uint8_t)(words << 4);
        p[13] = (uint8_t)flags;
        put16(p + 14, 0xfaf0);
        if (words > 5)
                memset(frame_push(f, (words - 5) * 4), 1, (words - 5) * 4);
        return p;
}

static inline uint8_t *frame_udp(Frame *f, unsigned source_port, unsigned destination_port) {
        uint8_t *p;

        f->udp = f->size;
        p = frame_push(f, 8);
        put16(p, source_port);
        put16(p + 2, destination_port);
        return p;
}

static inline uint8_t *frame_icmp(Frame *f, unsigned type, unsigned code) {
        uint8_t *p = frame_push(f, 8);

        p[0] = (uint8_t)type;
        p[1] = (uint8_t)code;
        return p;
}

/* n bytes of payload behind all that, then the lengths. */
static inline void frame_finish(Frame *f, size_t n) {
        memset(frame_push(f, n), 'x', n);
        if (f->ip && f->bytes[f->ip] >> 4 == 4)
                put16(f->bytes + f->ip + 2, (unsigned)(f->size - f->ip));
        else if (f->ip)
                put16(f->bytes + f->ip + 4, (unsigned)(f->size - f->ip - 40));
        if (f->udp)
                put16(f->bytes + f->udp + 4, (unsigned)(f->size - f->udp));
}

/* A small UDP packet of that host to host 1. */
static inline Frame frame_datagram(unsigned source) {
        Frame f;

        frame_ethernet(&f, 0x0800);
        frame_ipv4(&f, source, 1, 17, 5);
        frame_udp(&f, 5000, 5001);
        frame_finish(&f, 40);
        return f;
}
