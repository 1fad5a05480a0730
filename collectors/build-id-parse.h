/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Which build of a program an executable is: the note NT_GNU_BUILD_ID that the linker put into an
 * ELF file of this machine's byte order (elf(5)). Pure: the caller reads.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

typedef enum BuildIdKind {
        BUILD_ID_UNKNOWN,
        BUILD_ID_NOTE, /* the linker's; of one that is longer the first 20 bytes */
        BUILD_ID_FILE, /* the file has none, or may not be read: made up from what stat(2) tells */
        _BUILD_ID_KIND_COUNT,
} BuildIdKind;

/* Written to recordings as it is. */
typedef struct BuildId {
        uint8_t kind; /* BuildIdKind */
        uint8_t size; /* bytes that are set; the others are 0 */
        uint8_t bytes[20];
        uint8_t pad[2];
} BuildId;

_Static_assert(sizeof(BuildId) == 24, "BuildId is written to recordings");

/* Like pread(2): at most size bytes from offset; how many, or a negative number. */
typedef ssize_t (*build_id_read_t)(void *userdata, void *buffer, size_t size, uint64_t offset);

/* Calls read a bounded number of times for at most 4 KiB each. Returns 1 with *ret a
 * BUILD_ID_NOTE, 0 where there is none, or it is not such a file, or damaged. */
int build_id_parse(build_id_read_t read, void *userdata, BuildId *ret);

/* Whether the bytes, which came from a file, can have been written by us. */
bool build_id_is_sane(const BuildId *id);
