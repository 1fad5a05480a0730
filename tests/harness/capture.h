/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reads a capture file of the classic pcap format (microseconds or nanoseconds, either byte order,
 * Ethernet) that is whole in memory. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Capture {
        const uint8_t *next;
        const uint8_t *end;
        int swapped;
        uint64_t unit_ns;
} Capture;

static inline uint32_t capture_u32(const Capture *c, const uint8_t *p) {
        uint32_t x;

        memcpy(&x, p, sizeof(x));
        return c->swapped ? __builtin_bswap32(x) : x;
}

/* Returns 0, or -1 where it is no such file. */
static inline int capture_open(const void *data, size_t size, Capture *ret) {
        uint32_t magic;

        *ret = (Capture){.next = data, .end = (const uint8_t *)data + size};
        if (size < 24)
                return -1;
        memcpy(&magic, data, sizeof(magic));
        ret->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
        magic = ret->swapped ? __builtin_bswap32(magic) : magic;
        if ((magic != 0xa1b2c3d4 && magic != 0xa1b23c4d) ||
            (capture_u32(ret, ret->next + 20) & 0xffff) != 1)
                return -1;
        ret->unit_ns = magic == 0xa1b23c4d ? 1 : 1000;
        ret->next += 24;
        return 0;
}

/* The next frame; returns 0 at the end, 1 otherwise. */
static inline int capture_next(Capture *c, const uint8_t **ret_frame, size_t *ret_size,
                               uint64_t *ret_ns) {
        uint32_t size;

        if (c->end - c->next < 16)
                return 0;
        size = capture_u32(c, c->next + 8);
        if (size > (size_t)(c->end - c->next) - 16)
                return 0;
        *ret_ns = capture_u32(c, c->next) * UINT64_C(1000000000) +
                  capture_u32(c, c->next + 4) * c->unit_ns;
        *ret_frame = c->next + 16;
        *ret_size = size;
        c->next += 16 + size;
        return 1;
}
