/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/build-id-parse.h"

#include <errno.h>

#define CHUNK ((size_t)4096)
/* More of either no linker makes; what lies behind is not looked at. */
#define SEGMENTS_MAX 64U
#define NOTE_SEGMENTS_MAX 8U

#define PT_NOTE 4U
#define NT_GNU_BUILD_ID 3U
#define CLASS_32 1
#define CLASS_64 2
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DATA_NATIVE 1
#else
#define DATA_NATIVE 2
#endif

typedef struct Source {
        build_id_read_t read;
        void *userdata;
        bool is_64;
} Source;

static bool get(const Source *s, void *to, size_t size, uint64_t offset) {
        /* A negative off_t is nobody's business. */
        return offset <= INT64_MAX - size &&
               s->read(s->userdata, to, size, offset) == (ssize_t)size;
}

static uint16_t get_16(const uint8_t *p) {
        uint16_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint32_t get_32(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

static uint64_t get_64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        return v;
}

/* The note's parts are padded to a multiple of align, and begin at one. */
static bool find_note(const uint8_t *notes, size_t size, size_t align, BuildId *ret) {
        size_t at = 0;

        while (size - at >= 12) {
                size_t name_size = get_32(notes + at), desc_size = get_32(notes + at + 4);
                size_t desc, next;

                if (name_size > size || desc_size > size)
                        return false;
                desc = (at + 12 + name_size + align - 1) / align * align;
                next = (desc + desc_size + align - 1) / align * align;
                if (desc > size || desc_size > size - desc)
                        return false;
                if (get_32(notes + at + 8) == NT_GNU_BUILD_ID && name_size == 4 &&
                    memcmp(notes + at + 12, "GNU", 4) == 0 && desc_size > 0) {
                        *ret = (BuildId){
                                .kind = BUILD_ID_NOTE,
                                .size = (uint8_t)MIN(desc_size, sizeof(ret->bytes)),
                        };
                        memcpy(ret->bytes, notes + desc, ret->size);
                        return true;
                }
                if (next >= size)
                        return false;
                at = next;
        }
        return false;
}

static bool read_segment(const Source *s, const uint8_t *header, BuildId *ret) {
        uint64_t offset = s->is_64 ? get_64(header + 8) : get_32(header + 4);
        uint64_t size = s->is_64 ? get_64(header + 32) : get_32(header + 16);
        uint64_t align = s->is_64 ? get_64(header + 48) : get_32(header + 28);
        uint8_t notes[CHUNK];

        if (align > 4 && align != 8)
                return false;
        size = MIN(size, (uint64_t)sizeof(notes));
        return get(s, notes, (size_t)size, offset) &&
               find_note(notes, (size_t)size, align == 8 ? 8 : 4, ret);
}

int build_id_parse(build_id_read_t read, void *userdata, BuildId *ret) {
        Source s = {.read = read, .userdata = userdata};
        uint8_t head[64], table[CHUNK];
        uint64_t table_offset;
        size_t entry_size, n, n_notes = 0;

        if (!get(&s, head, 52, 0) || memcmp(head, "\177ELF", 4) != 0 || head[5] != DATA_NATIVE)
                return 0;
        s.is_64 = head[4] == CLASS_64;
        if (!s.is_64 && head[4] != CLASS_32)
                return 0;
        if (s.is_64 && !get(&s, head, 64, 0))
                return 0;
        table_offset = s.is_64 ? get_64(head + 32) : get_32(head + 28);
        entry_size = get_16(head + (s.is_64 ? 54 : 42));
        n = MIN((unsigned)get_16(head + (s.is_64 ? 56 : 44)), SEGMENTS_MAX);
        if (entry_size != (s.is_64 ? 56 : 32) || n == 0 ||
            !get(&s, table, n * entry_size, table_offset))
                return 0;
        for (size_t i = 0; i < n; i++) {
                if (get_32(table + i * entry_size) != PT_NOTE)
                        continue;
                if (n_notes++ == NOTE_SEGMENTS_MAX)
                        break;
                if (read_segment(&s, table + i * entry_size, ret))
                        return 1;
        }
        return 0;
}

bool build_id_is_sane(const BuildId *id) {
        static const uint8_t zeroes[sizeof(id->bytes)] = {};

        if (id->kind >= _BUILD_ID_KIND_COUNT || id->size > sizeof(id->bytes) || id->pad[0] ||
            id->pad[1] || (id->kind == BUILD_ID_UNKNOWN) != (id->size == 0))
                return false;
        return memcmp(id->bytes + id->size, zeroes, sizeof(id->bytes) - id->size) == 0;
}
