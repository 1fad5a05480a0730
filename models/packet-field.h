/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The packet fields as a table that user space can ask: by name, with ranges, and the table's hash.
 */

#include <stddef.h>
#include <stdint.h>

#include "models/packet-fields.h"

typedef struct PacketFieldInfo {
        const char *name; /* lower case, as in feature specs and CSV headers */
        const char *id;   /* as in PACKET_FIELD_…, for generated C */
        const char *unit;
        enum packet_scope scope;
        uint32_t max; /* the smallest value is 0 */
        const char *what;
} PacketFieldInfo;

extern const PacketFieldInfo packet_field_table[PACKET_FIELD_COUNT];

const char *packet_scope_name(enum packet_scope scope);

/* The index of the field of that name, or -ENOENT. */
int packet_field_find(const char *name);

/* FNV-1a 64 over version, name, unit, scope and max of every field, in order. Equal to
 * PACKET_FIELDS_HASH, or that constant is out of date. */
uint64_t packet_field_hash(void);
