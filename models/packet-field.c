/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "models/packet-field.h"

#include <errno.h>
#include <string.h>

#include "util/hash.h"
#include "util/macro.h"

const PacketFieldInfo packet_field_table[PACKET_FIELD_COUNT] = {
#define X(id, name, unit, scope, max, what) {name, #id, unit, PACKET_SCOPE_##scope, max, what},
        PACKET_FIELDS(X)
#undef X
};

const char *packet_scope_name(enum packet_scope scope) {
        static const char *const names[PACKET_SCOPE_COUNT] = {
                [PACKET_SCOPE_PACKET] = "packet",
                [PACKET_SCOPE_SOURCE] = "source",
                [PACKET_SCOPE_DESTINATION] = "destination",
                [PACKET_SCOPE_FLOW] = "flow",
        };

        return (unsigned)scope < PACKET_SCOPE_COUNT ? names[scope] : "?";
}

int packet_field_find(const char *name) {
        for (size_t i = 0; i < PACKET_FIELD_COUNT; i++)
                if (streq(packet_field_table[i].name, name))
                        return (int)i;
        return -ENOENT;
}

static uint64_t hash_number(uint64_t hash, uint32_t n) {
        /* Byte by byte: the same on machines of either byte order. */
        const unsigned char bytes[] = {(unsigned char)(n & 0xff), (unsigned char)(n >> 8 & 0xff),
                                       (unsigned char)(n >> 16 & 0xff), (unsigned char)(n >> 24)};

        return fnv1a64(hash, bytes, sizeof(bytes));
}

uint64_t packet_field_hash(void) {
        uint64_t hash = hash_number(FNV1A64_INIT, PACKET_FIELDS_VERSION);

        for (size_t i = 0; i < PACKET_FIELD_COUNT; i++) {
                const PacketFieldInfo *f = &packet_field_table[i];

                hash = fnv1a64(hash, f->name, strlen(f->name) + 1);
                hash = fnv1a64(hash, f->unit, strlen(f->unit) + 1);
                hash = hash_number(hash, (uint32_t)f->scope);
                hash = hash_number(hash, f->max);
        }
        return hash;
}
