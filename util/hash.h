/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* FNV-1a, 64 bit (Fowler, Noll, Vo): finds torn records and changed schemas; it is no protection
 * against intent. */

#include <stddef.h>
#include <stdint.h>

#define FNV1A64_INIT UINT64_C(0xcbf29ce484222325)

static inline uint64_t fnv1a64(uint64_t hash, const void *data, size_t size) {
        const unsigned char *p = data;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
        return hash;
}
