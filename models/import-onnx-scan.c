/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>

#include "models/import-onnx-internal.h"
#include "models/import-onnx.h"

/*
 * protobuf-c recurses once per nested message (960 bytes of stack each with 1.4.1 on x86-64: 200 KB
 * of file are too much for 8 MB of stack), allocates a structure of some 100 bytes for a nested
 * message that takes two bytes in the file, and copies all that it has whenever a message that may
 * stand once stands there again. Files that use this cannot be told from others by their size: so
 * they are walked over first.
 */
#define DEPTH_MAX 64
#define MEMORY_MAX ((size_t)256 * 1024 * 1024) /* beside the bytes of the file themselves */
#define FIELD_MEMORY 64 /* the parser's notes on a field, and a pointer to it */

typedef enum WireType { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 } WireType;

typedef struct Frame {
        const ProtobufCMessageDescriptor *d;
        const uint8_t *end;
        uint64_t seen; /* singular messages that stood here, by index of their field */
} Frame;

typedef struct Scan {
        const uint8_t *p;
        Frame frames[DEPTH_MAX];
        size_t depth;
        size_t memory;
        const char *what;
        Error *e;
} Scan;

static int broken(Scan *s) {
        return error_set(s->e, -EINVAL, "%s is no valid protocol buffer: broken off or damaged",
                         s->what);
}

/* At most bytes_max bytes; 0 where it does not end. */
static size_t read_varint(const uint8_t *p, const uint8_t *end, size_t bytes_max, uint64_t *ret) {
        uint64_t x = 0;

        for (size_t i = 0; i < bytes_max && p + i < end; i++) {
                x |= (uint64_t)(p[i] & 0x7f) << (7 * i);
                if (!(p[i] & 0x80)) {
                        *ret = x;
                        return i + 1;
                }
        }
        return 0;
}

static int add_memory(Scan *s, size_t bytes) {
        s->memory += bytes;
        if (s->memory > MEMORY_MAX)
                return error_set(s->e, -EFBIG, "%s would take more than %zu MB to read", s->what,
                                 MEMORY_MAX >> 20);
        return 0;
}

static int enter(Scan *s, const ProtobufCFieldDescriptor *field, size_t length) {
        Frame *f = s->frames + s->depth - 1;
        const ProtobufCMessageDescriptor *d = field->descriptor;
        size_t i = (size_t)(field - f->d->fields);

        if (field->label != PROTOBUF_C_LABEL_REPEATED && i < 64) {
                if (f->seen & UINT64_C(1) << i)
                        return error_set(s->e, -EINVAL, "%s has field %u of %s twice", s->what,
                                         field->id, f->d->name ? f->d->name : "a message");
                f->seen |= UINT64_C(1) << i;
        }
        if (s->depth == DEPTH_MAX)
                return error_set(s->e, -EINVAL, "%s is nested more than %d levels deep", s->what,
                                 DEPTH_MAX);
        s->frames[s->depth++] = (Frame){.d = d, .end = s->p + length};
        return add_memory(s, d->sizeof_message);
}

static int scan_bytes(Scan *s, const ProtobufCFieldDescriptor *field) {
        const uint8_t *end = s->frames[s->depth - 1].end;
        uint64_t length;
        size_t n;

        n = read_varint(s->p, end, 5, &length);
        if (n == 0 || length > INT_MAX || length > (size_t)(end - s->p) - n)
                return broken(s);
        s->p += n;
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
                return enter(s, field, length);
        s->p += length;
        if (field && field->label == PROTOBUF_C_LABEL_REPEATED &&
            field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_BYTES &&
            field->type != PROTOBUF_C_TYPE_FLOAT && field->type != PROTOBUF_C_TYPE_DOUBLE)
                return add_memory(s,
                                  length * sizeof(uint64_t)); /* packed numbers of one byte each */
        return 0;
}

static int scan_field(Scan *s) {
        const Frame *f = s->frames + s->depth - 1;
        uint64_t tag, ignored;
        size_t n;
        int r;

        n = read_varint(s->p, f->end, 5, &tag);
        if (n == 0 || tag >> 3 == 0 || tag > UINT32_MAX)
                return broken(s);
        s->p += n;
        r = add_memory(s, FIELD_MEMORY);
        if (r < 0)
                return r;
        switch ((WireType)(tag & 7)) {
        case WIRE_VARINT:
                n = read_varint(s->p, f->end, 10, &ignored);
                break;
        case WIRE_64:
                n = f->end - s->p >= 8 ? 8 : 0;
                break;
        case WIRE_32:
                n = f->end - s->p >= 4 ? 4 : 0;
                break;
        case WIRE_BYTES:
                return scan_bytes(
                        s, protobuf_c_message_descriptor_get_field(f->d, (unsigned)(tag >> 3)));
        default:
                return broken(s);
        }
        if (n == 0)
                return broken(s);
        s->p += n;
        return 0;
}

int onnx_scan(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t size,
              const char *what, Error *e) {
        Scan s = {.p = data, .depth = 1, .memory = d->sizeof_message, .what = what, .e = e};
        int r;

        if (size == 0)
                return error_set(e, -EINVAL, "%s is empty", what);
        if (size > ONNX_FILE_MAX)
                return error_set(e, -EFBIG, "%s is larger than %zu MB", what, ONNX_FILE_MAX >> 20);
        s.frames[0] = (Frame){.d = d, .end = data + size};
        while (s.depth > 0) {
                if (s.p == s.frames[s.depth - 1].end) {
                        s.depth--;
                        continue;
                }
                r = scan_field(&s);
                if (r < 0)
                        return r;
        }
        return 0;
}
