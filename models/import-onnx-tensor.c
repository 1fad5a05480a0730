/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>

#include "models/import-onnx-internal.h"
#include "models/import-onnx.h"
#include "util/io.h"

/* Which field has the elements where raw_data has not. */
typedef enum Field {
        FIELD_NONE,
        FIELD_FLOAT,
        FIELD_DOUBLE,
        FIELD_INT32,
        FIELD_INT64,
        FIELD_UINT64,
        FIELD_STRING
} Field;

typedef struct ProtoType {
        ElementType type;
        Field field;
        int64_t low, high; /* of one element in int32_data or uint64_data */
} ProtoType;

/* By TensorProto.DataType; FIELD_NONE: not for us. */
static const ProtoType proto_types[] = {
        [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = {ELEMENT_F32, FIELD_FLOAT},
        [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = {ELEMENT_F64, FIELD_DOUBLE},
        [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = {ELEMENT_F16, FIELD_INT32, 0, UINT16_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = {ELEMENT_BF16, FIELD_INT32, 0, UINT16_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = {ELEMENT_I8, FIELD_INT32, INT8_MIN, INT8_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = {ELEMENT_I16, FIELD_INT32, INT16_MIN, INT16_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = {ELEMENT_I32, FIELD_INT32, INT32_MIN, INT32_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = {ELEMENT_I64, FIELD_INT64},
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = {ELEMENT_U8, FIELD_INT32, 0, UINT8_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = {ELEMENT_U16, FIELD_INT32, 0, UINT16_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = {ELEMENT_U32, FIELD_UINT64, 0, UINT32_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = {ELEMENT_U64, FIELD_UINT64, 0, INT64_MAX},
        [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = {ELEMENT_BOOL, FIELD_INT32, 0, 1},
        [ONNX__TENSOR_PROTO__DATA_TYPE__STRING] = {ELEMENT_STRING, FIELD_STRING},
};

static const ProtoType *proto_type(int32_t type, const char *what, Error *e) {
        if (type >= 0 && (size_t)type < ELEMENTSOF(proto_types) &&
            proto_types[type].field != FIELD_NONE)
                return proto_types + type;
        error_set(e, -EINVAL,
                  "%s has element type %" PRId32
                  ": float, bfloat16, integer, bool and string types are accepted",
                  what, type);
        return NULL;
}

int onnx_element_type(int32_t type, const char *what, ElementType *ret, Error *e) {
        const ProtoType *p = proto_type(type, what, e);

        if (!p)
                return -EINVAL;
        *ret = p->type;
        return 0;
}

int onnx_string(const ProtobufCBinaryData *bytes, const char *what, char **ret, Error *e) {
        char *s;

        if (bytes->len > 0 && memchr(bytes->data, 0, bytes->len))
                return error_set(e, -EINVAL, "%s has a string with a NUL byte", what);
        s = malloc(bytes->len + 1);
        if (!s)
                return -ENOMEM;
        if (bytes->len > 0)
                memcpy(s, bytes->data, bytes->len);
        s[bytes->len] = 0;
        *ret = s;
        return 0;
}

/* Elements in the field of the type, and in all others together. */
static size_t field_count(const Onnx__TensorProto *p, Field field) {
        switch (field) {
        case FIELD_FLOAT:
                return p->n_float_data;
        case FIELD_DOUBLE:
                return p->n_double_data;
        case FIELD_INT32:
                return p->n_int32_data;
        case FIELD_INT64:
                return p->n_int64_data;
        case FIELD_UINT64:
                return p->n_uint64_data;
        case FIELD_STRING:
                return p->n_string_data;
        case FIELD_NONE:
        default:
                return 0;
        }
}

static bool has_other_data(const Onnx__TensorProto *p, Field field) {
        for (Field f = FIELD_FLOAT; f <= FIELD_STRING; f++)
                if (f != field && field_count(p, f) > 0)
                        return true;
        return false;
}

static bool is_beside(const Onnx__TensorProto *p) {
        return p->n_external_data > 0 ||
               (p->has_data_location &&
                p->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT);
}

static int check_place(const Onnx__TensorProto *p, const char *what, const OnnxBeside *beside,
                       Error *e) {
        if (is_beside(p) && !beside)
                return error_set(e, -EINVAL,
                                 "%s has its data outside of the file: that is not supported here, "
                                 "save the model as one file",
                                 what);
        if (p->segment)
                return error_set(e, -EINVAL, "%s is a segment: that is not supported", what);
        return 0;
}

/* That there are exactly as many bytes or elements as dims say: before anything is allocated. */
static int check_size(const Onnx__TensorProto *p, const ProtoType *type, size_t count,
                      const char *what, Error *e) {
        size_t n = field_count(p, type->field);
        bool raw = p->has_raw_data && (p->raw_data.len > 0 || n == 0);

        if (has_other_data(p, type->field) || (raw && n > 0))
                return error_set(e, -EINVAL, "%s has data in more than the field of its type",
                                 what);
        if (raw && type->type == ELEMENT_STRING && p->raw_data.len > 0)
                return error_set(e, -EINVAL, "%s has strings as raw data", what);
        if (raw && p->raw_data.len != count * element_type_size(type->type))
                return error_set(e, -EINVAL, "%s has %zu bytes, but its dimensions want %zu", what,
                                 p->raw_data.len, count * element_type_size(type->type));
        if (!raw && n != count)
                return error_set(e, -EINVAL, "%s has %zu elements, but its dimensions want %zu",
                                 what, n, count);
        return 0;
}

/* Where in which file. No digest is asked for: it is optional, and of the whole file. */
typedef struct Place {
        const char *name;
        uint64_t offset, length; /* length: UINT64_MAX where it is not told */
} Place;

static int find_place(const Onnx__TensorProto *p, const char *what, Place *ret, Error *e) {
        Place place = {.length = UINT64_MAX};

        for (size_t i = 0; i < p->n_external_data; i++) {
                const char *key = p->external_data[i]->key ?: "";
                const char *value = p->external_data[i]->value ?: "";
                int r = 0;

                if (streq(key, "location"))
                        place.name = value;
                else if (streq(key, "offset"))
                        r = parse_u64(value, 0, ONNX_FILE_MAX, &place.offset);
                else if (streq(key, "length"))
                        r = parse_u64(value, 0, ONNX_FILE_MAX, &place.length);
                if (r < 0)
                        return error_set(e, -EINVAL,
                                         "%s: %s '%.40s' in another file: accepted is "
                                         "0 to %zu",
                                         what, key, onnx_name(value).text, ONNX_FILE_MAX);
        }
        if (!place.name || !place.name[0] || place.name[0] == '.' || strchr(place.name, '/'))
                return error_set(e, -EINVAL,
                                 "%s has its data in '%.100s': accepted is the plain name of a "
                                 "file in the model's folder",
                                 what, onnx_name(place.name).text);
        *ret = place;
        return 0;
}

/* The elements' bytes, as raw_data has them. */
static int read_beside(const Onnx__TensorProto *p, const ProtoType *type, size_t count,
                       const char *what, OnnxBeside *beside, ProtobufCBinaryData *ret, Error *e) {
        size_t wanted = count * element_type_size(type->type), size;
        const void *data;
        Place place = {0};
        int r;

        if (type->type == ELEMENT_STRING || p->has_raw_data || field_count(p, type->field) > 0 ||
            has_other_data(p, type->field))
                return error_set(e, -EINVAL, "%s has %s in another file", what,
                                 type->type == ELEMENT_STRING ? "strings" : "data here and");
        r = find_place(p, what, &place, e);
        if (r >= 0)
                r = beside->read(beside->userdata, place.name, &data, &size, e);
        if (r < 0)
                return r;
        if (place.length == UINT64_MAX)
                place.length = wanted;
        if (place.length != wanted)
                return error_set(e, -EINVAL, "%s has %zu bytes, but its dimensions want %zu", what,
                                 (size_t)place.length, wanted);
        if (place.offset > size || wanted > size - place.offset)
                return error_set(e, -EINVAL, "%s: bytes %zu to %zu of '%.100s', which has %zu",
                                 what, (size_t)place.offset, (size_t)place.offset + wanted,
                                 onnx_name(place.name).text, size);
        if (wanted > ONNX_FILE_MAX - beside->used)
                return error_set(e, -EFBIG, "initializers of more than %zu bytes", ONNX_FILE_MAX);
        beside->used += wanted;
        *ret = (ProtobufCBinaryData){wanted, (uint8_t *)data + place.offset};
        return 0;
}

static void copy_raw(const ProtobufCBinaryData *raw, Tensor *t) {
        size_t size = element_type_size(t->type);

        if (raw->len == 0)
                return;
        memcpy(t->data, raw->data, raw->len);
        if (t->type == ELEMENT_BOOL)
                for (size_t i = 0; i < t->count; i++)
                        t->u8[i] = t->u8[i] != 0;
        for (size_t i = 0; i < t->count && size > 1; i++) {
                if (size == 2)
                        t->u16[i] = le16toh(t->u16[i]);
                else if (size == 4)
                        t->u32[i] = le32toh(t->u32[i]);
                else
                        t->u64[i] = le64toh(t->u64[i]);
        }
}

static int out_of_range(const Tensor *t, size_t i, const char *what, Error *e) {
        return error_set(e, -EINVAL, "element %zu of %s is out of the range of %s", i, what,
                         element_type_name(t->type));
}

static int copy_int32(const Onnx__TensorProto *p, const ProtoType *type, const char *what,
                      Tensor *t, Error *e) {
        for (size_t i = 0; i < t->count; i++) {
                int32_t x = p->int32_data[i];

                if (x < type->low || x > type->high)
                        return out_of_range(t, i, what, e);
                if (element_type_size(t->type) == 1)
                        t->u8[i] = (uint8_t)x;
                else if (element_type_size(t->type) == 2)
                        t->u16[i] = (uint16_t)x;
                else
                        t->i32[i] = x;
        }
        return 0;
}

static int copy_uint64(const Onnx__TensorProto *p, const char *what, Tensor *t, Error *e) {
        for (size_t i = 0; i < t->count; i++) {
                if (t->type == ELEMENT_U64) {
                        t->u64[i] = p->uint64_data[i];
                        continue;
                }
                if (p->uint64_data[i] > UINT32_MAX)
                        return out_of_range(t, i, what, e);
                t->u32[i] = (uint32_t)p->uint64_data[i];
        }
        return 0;
}

static int copy_strings(const Onnx__TensorProto *p, const char *what, Tensor *t, Error *e) {
        int r;

        for (size_t i = 0; i < t->count; i++) {
                r = onnx_string(p->string_data + i, what, t->string + i, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy_field(const Onnx__TensorProto *p, const ProtoType *type, const char *what,
                      Tensor *t, Error *e) {
        if (t->count == 0)
                return 0;
        switch (type->field) {
        case FIELD_FLOAT:
                memcpy(t->f32, p->float_data, t->count * sizeof(*t->f32));
                return 0;
        case FIELD_DOUBLE:
                memcpy(t->f64, p->double_data, t->count * sizeof(*t->f64));
                return 0;
        case FIELD_INT64:
                memcpy(t->i64, p->int64_data, t->count * sizeof(*t->i64));
                return 0;
        case FIELD_INT32:
                return copy_int32(p, type, what, t, e);
        case FIELD_UINT64:
                return copy_uint64(p, what, t, e);
        case FIELD_STRING:
                return copy_strings(p, what, t, e);
        case FIELD_NONE:
        default:
                return -EINVAL;
        }
}

int onnx_tensor(const Onnx__TensorProto *p, const char *what, OnnxBeside *beside, Tensor **ret,
                Error *e) {
        ProtobufCBinaryData raw = p->raw_data;
        _cleanup_(tensor_freep)
        Tensor *t = NULL;
        const ProtoType *type;
        size_t count;
        int r;

        r = check_place(p, what, beside, e);
        if (r < 0)
                return r;
        type = proto_type(p->has_data_type ? p->data_type : 0, what, e);
        if (!type)
                return -EINVAL;
        r = tensor_count(p->n_dims, p->dims, &count);
        if (r < 0)
                return error_set(e, r,
                                 "%s: at most %d dimensions, none negative, and %zu elements are "
                                 "accepted",
                                 what, TENSOR_RANK_MAX, TENSOR_ELEMENTS_MAX);
        r = is_beside(p) ? read_beside(p, type, count, what, beside, &raw, e)
                         : check_size(p, type, count, what, e);
        if (r < 0)
                return r;
        r = tensor_new(type->type, p->n_dims, p->dims, &t);
        if (r < 0)
                return r;
        if (field_count(p, type->field) > 0) {
                r = copy_field(p, type, what, t, e);
                if (r < 0)
                        return r;
        } else {
                copy_raw(&raw, t);
        }
        *ret = TAKE_PTR(t);
        return 0;
}

static void tensor_proto_freep(Onnx__TensorProto **p) {
        if (*p)
                onnx__tensor_proto__free_unpacked(*p, NULL);
}

int import_onnx_tensor(const void *data, size_t size, Tensor **ret, Error *e) {
        _cleanup_(tensor_proto_freep)
        Onnx__TensorProto *p = NULL;
        int r;

        r = onnx_scan(&onnx__tensor_proto__descriptor, data, size, "the tensor", e);
        if (r < 0)
                return r;
        p = onnx__tensor_proto__unpack(NULL, size, data);
        if (!p)
                return error_set(e, -EINVAL, "the tensor is no valid protocol buffer");
        return onnx_tensor(p, "the tensor", /* beside= */ NULL, ret, e);
}
