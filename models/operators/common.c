/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>

#include "models/operators/common.h"

Shape shape_of(const Tensor *t) {
        Shape s = {.rank = t->rank};

        memcpy(s.dim, t->dim, t->rank * sizeof(t->dim[0]));
        return s;
}

const char *shape_text(const Shape *s, ShapeText *text) {
        size_t used = 0;

        text->text[used++] = '[';
        for (size_t i = 0; i < s->rank; i++)
                used += (size_t)snprintf(text->text + used, sizeof(text->text) - used, "%s%" PRId64,
                                         i ? "," : "", s->dim[i]);
        text->text[used++] = ']';
        text->text[used] = '\0';
        return text->text;
}

size_t shape_count(const Shape *s, size_t first, size_t end) {
        size_t count = 1;

        for (size_t i = first; i < end; i++)
                count *= (size_t)s->dim[i];
        return count;
}

int output_new(ElementType type, const Shape *s, Tensor **ret, Error *e) {
        int r = tensor_new(type, s->rank, s->dim, ret);
        ShapeText text;

        if (r == -EFBIG)
                return error_set(e, r, "an output %s has more than %zu elements",
                                 shape_text(s, &text), TENSOR_ELEMENTS_MAX);
        if (r == -EINVAL)
                return error_set(e, r, "an output of shape %s is not possible",
                                 shape_text(s, &text));
        return r;
}

int strings_check(const Node *n, const Tensor *t, size_t count, Error *e) {
        size_t longest = 0;

        if (t->type != ELEMENT_STRING)
                return 0;
        for (size_t i = 0; i < t->count; i++)
                longest = MAX(longest, strlen(t->string[i]));
        /* 32 bytes: what an allocation costs beside the text. */
        return operator_spend(n, count, longest + 32, STRING_BYTE_WORK, e);
}

int type_check(const Tensor *t, unsigned types, const char *what, Error *e) {
        if (types & (1u << t->type))
                return 0;
        return error_set(e, -EINVAL, "%s of type %s is not accepted", what,
                         element_type_name(t->type));
}

int type_from_onnx(int64_t number, ElementType *ret) {
        static const struct {
                int64_t number;
                ElementType type;
        } map[] = {
                {1, ELEMENT_F32},  {2, ELEMENT_U8},    {3, ELEMENT_I8},   {4, ELEMENT_U16},
                {5, ELEMENT_I16},  {6, ELEMENT_I32},   {7, ELEMENT_I64},  {8, ELEMENT_STRING},
                {9, ELEMENT_BOOL}, {10, ELEMENT_F16},  {11, ELEMENT_F64}, {12, ELEMENT_U32},
                {13, ELEMENT_U64}, {16, ELEMENT_BF16},
        };

        for (size_t i = 0; i < ELEMENTSOF(map); i++)
                if (map[i].number == number) {
                        *ret = map[i].type;
                        return 0;
                }
        return -EINVAL;
}

Wide type_wide(ElementType type) {
        if (TYPES_FLOAT & (1u << type))
                return WIDE_F64;
        return TYPES_SIGNED & (1u << type) ? WIDE_I64 : WIDE_U64;
}

double wide_number(Wide wide, const Block *block, size_t i) {
        switch (wide) {
        case WIDE_F64:
                return block->f64[i];
        case WIDE_I64:
                return (double)block->i64[i];
        case WIDE_U64:
        default:
                return (double)block->u64[i];
        }
}

#define LOAD_LOOP(WIDE, EXPR, STEP)                              \
        for (size_t i = 0; i < n; i++) {                         \
                __typeof__(from[0]) v = from[(int64_t)i * STEP]; \
                ((WIDE *)to)[i] = EXPR;                          \
        }

/* Neighbours apart: that loop is made of vectors. */
#define LOAD(WIDE, MEMBER, EXPR)                                       \
        do {                                                           \
                const __typeof__(t->MEMBER[0]) *from = t->MEMBER + at; \
                                                                       \
                if (step == 1)                                         \
                        LOAD_LOOP(WIDE, EXPR, 1)                       \
                else                                                   \
                        LOAD_LOOP(WIDE, EXPR, step)                    \
        } while (0)

void elements_load(const Tensor *t, int64_t at, int64_t step, size_t n, void *to) {
        switch (t->type) {
        case ELEMENT_F32:
                LOAD(double, f32, (double)v);
                break;
        case ELEMENT_F64:
                LOAD(double, f64, v);
                break;
        case ELEMENT_F16:
                LOAD(double, half, (double)half_to_f32(v));
                break;
        case ELEMENT_BF16:
                LOAD(double, half, (double)bfloat16_to_f32(v));
                break;
        case ELEMENT_I8:
                LOAD(int64_t, i8, (int64_t) + v);
                break;
        case ELEMENT_I16:
                LOAD(int64_t, i16, v);
                break;
        case ELEMENT_I32:
                LOAD(int64_t, i32, v);
                break;
        case ELEMENT_I64:
                LOAD(int64_t, i64, v);
                break;
        case ELEMENT_U8:
                LOAD(uint64_t, u8, v);
                break;
        case ELEMENT_BOOL:
                LOAD(uint64_t, u8, v != 0);
                break;
        case ELEMENT_U16:
                LOAD(uint64_t, u16, v);
                break;
        case ELEMENT_U32:
                LOAD(uint64_t, u32, v);
                break;
        case ELEMENT_U64:
                LOAD(uint64_t, u64, v);
                break;
        case ELEMENT_STRING:
        case _ELEMENT_TYPE_COUNT:
        default:
                break;
        }
}

#define STORE(MEMBER, EXPR)                              \
        do {                                             \
                for (size_t i = 0; i < n; i++) {         \
                        __typeof__(from[0]) v = from[i]; \
                        t->MEMBER[at + i] = EXPR;        \
                }                                        \
        } while (0)

static void store_f64(Tensor *t, size_t at, size_t n, const double *from) {
        switch (t->type) {
        case ELEMENT_F32:
                STORE(f32, (float)v);
                break;
        case ELEMENT_F64:
                STORE(f64, v);
                break;
        case ELEMENT_F16:
        case ELEMENT_BF16:
        case ELEMENT_I8:
        case ELEMENT_I16:
        case ELEMENT_I32:
        case ELEMENT_I64:
        case ELEMENT_U8:
        case ELEMENT_U16:
        case ELEMENT_U32:
        case ELEMENT_U64:
        case ELEMENT_BOOL:
        case ELEMENT_STRING:
        case _ELEMENT_TYPE_COUNT:
        default:
                for (size_t i = 0; i < n; i++)
                        tensor_set_f64(t, at + i, from[i]);
                break;
        }
}

/* From int64_t or uint64_t: only the conversion to floats sees the difference. */
#define STORE_INTEGERS                                              \
        switch (t->type) {                                          \
        case ELEMENT_F32:                                           \
                STORE(f32, (float)v);                               \
                break;                                              \
        case ELEMENT_F64:                                           \
                STORE(f64, (double)v);                              \
                break;                                              \
        case ELEMENT_F16:                                           \
                STORE(half, f32_to_half((float)v));                 \
                break;                                              \
        case ELEMENT_BF16:                                          \
                for (size_t i = 0; i < n; i++)                      \
                        tensor_set_f64(t, at + i, (double)from[i]); \
                break;                                              \
        case ELEMENT_I8:                                            \
        case ELEMENT_U8:                                            \
                STORE(u8, (uint8_t)v);                              \
                break;                                              \
        case ELEMENT_BOOL:                                          \
                STORE(u8, v != 0);                                  \
                break;                                              \
        case ELEMENT_I16:                                           \
        case ELEMENT_U16:                                           \
                STORE(u16, (uint16_t)v);                            \
                break;                                              \
        case ELEMENT_I32:                                           \
        case ELEMENT_U32:                                           \
                STORE(u32, (uint32_t)v);                            \
                break;                                              \
        case ELEMENT_I64:                                           \
        case ELEMENT_U64:                                           \
                STORE(u64, (uint64_t)v);                            \
                break;                                              \
        case ELEMENT_STRING:                                        \
        case _ELEMENT_TYPE_COUNT:                                   \
        default:                                                    \
                break;                                              \
        }

static void store_i64(Tensor *t, size_t at, size_t n, const int64_t *from) {
        STORE_INTEGERS
}

static void store_u64(Tensor *t, size_t at, size_t n, const uint64_t *from) {
        STORE_INTEGERS
}

void elements_store(Tensor *t, size_t at, size_t n, Wide wide, const void *from) {
        switch (wide) {
        case WIDE_F64:
                store_f64(t, at, n, from);
                break;
        case WIDE_I64:
                store_i64(t, at, n, from);
                break;
        case WIDE_U64:
        default:
                store_u64(t, at, n, from);
                break;
        }
}

#define COPY(MEMBER)                   \
        for (size_t i = 0; i < n; i++) \
        to->MEMBER[to_at + i] = from->MEMBER[from_at + (int64_t)i * step]

int elements_copy(Tensor *to, size_t to_at, const Tensor *from, int64_t from_at, int64_t step,
                  size_t n) {
        size_t size = element_type_size(to->type);

        if (to->type == ELEMENT_STRING) {
                for (size_t i = 0; i < n; i++) {
                        to->string[to_at + i] = strdup(from->string[from_at + (int64_t)i * step]);
                        if (!to->string[to_at + i])
                                return -ENOMEM;
                }
        } else if (step == 1) {
                if (n > 0)
                        memcpy(to->u8 + to_at * size, from->u8 + (size_t)from_at * size, n * size);
        } else if (size == 8) {
                COPY(u64);
        } else if (size == 4) {
                COPY(u32);
        } else if (size == 2) {
                COPY(u16);
        } else {
                COPY(u8);
        }
        return 0;
}

int tensor_convert(const Tensor *t, ElementType type, Tensor **ret, Error *e) {
        _cleanup_(tensor_freep)
        Tensor *made = NULL;
        Shape s = shape_of(t);
        Block block;
        int r = output_new(type, &s, &made, e);

        if (r < 0)
                return r;
        if (type == t->type)
                r = elements_copy(made, 0, t, 0, 1, t->count);
        else
                for (size_t at = 0; at < t->count; at += BLOCK) {
                        size_t n = MIN(BLOCK, t->count - at);

                        elements_load(t, (int64_t)at, 1, n, &block);
                        elements_store(made, at, n, type_wide(t->type), &block);
                }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(made);
        return 0;
}

/* Dimensions of 1 go, and neighbours that make one even walk become one. */
void walk_init(Walk *w, int64_t at, const Shape *s, const int64_t *stride) {
        Shape *to = &w->shape;

        *w = (Walk){.at = at};
        for (size_t i = 0; i < s->rank; i++) {
                if (s->dim[i] == 1)
                        continue;
                if (to->rank > 0 && w->stride[to->rank - 1] == stride[i] * s->dim[i]) {
                        to->dim[to->rank - 1] *= s->dim[i];
                        w->stride[to->rank - 1] = stride[i];
                        continue;
                }
                to->dim[to->rank] = s->dim[i];
                w->stride[to->rank++] = stride[i];
        }
        if (to->rank == 0) {
                to->dim[to->rank++] = 1;
                w->stride[0] = 0;
        }
}

void shape_strides(const Shape *s, int64_t *ret) {
        int64_t stride = 1;

        for (size_t i = s->rank; i-- > 0; stride *= s->dim[i])
                ret[i] = stride;
}

void walk_init_broadcast(Walk *w, const Shape *t, const Shape *s) {
        int64_t own[TENSOR_RANK_MAX], stride[TENSOR_RANK_MAX] = {};

        shape_strides(t, own);
        for (size_t i = 0; i < t->rank; i++)
                stride[s->rank - t->rank + i] = t->dim[i] == 1 ? 0 : own[i];
        walk_init(w, 0, s, stride);
}

size_t walk_next(Walk *w, size_t max, int64_t *ret_at, int64_t *ret_step) {
        size_t last = w->shape.rank - 1;
        size_t run = MIN(max, (size_t)(w->shape.dim[last] - w->index[last]));

        *ret_at = w->at;
        *ret_step = w->stride[last];
        w->index[last] += (int64_t)run;
        w->at += w->stride[last] * (int64_t)run;
        for (size_t i = last; w->index[i] == w->shape.dim[i]; i--) {
                w->at -= w->stride[i] * w->shape.dim[i];
                w->index[i] = 0;
                if (i == 0)
                        break;
                w->index[i - 1]++;
                w->at += w->stride[i - 1];
        }
        return run;
}

void walk_load(Walk *w, const Tensor *t, size_t n, Block *to) {
        for (size_t done = 0, run; done < n; done += run) {
                int64_t at, step;

                run = walk_next(w, n - done, &at, &step);
                elements_load(t, at, step, run, to->u64 + done);
        }
}

int tensor_strided(const Node *n, const Tensor *x, int64_t at, const Shape *to,
                   const int64_t *stride, Tensor **out, Error *e) {
        Walk walk;
        int r;

        r = output_new(x->type, to, out, e);
        if (r < 0 || (*out)->count == 0)
                return r;
        r = strings_check(n, x, (*out)->count, e);
        if (r < 0)
                return r;
        walk_init(&walk, at, to, stride);
        for (size_t done = 0, run; done < (*out)->count; done += run) {
                int64_t from, step;

                run = walk_next(&walk, (*out)->count - done, &from, &step);
                r = elements_copy(*out, done, x, from, step, run);
                if (r < 0)
                        return r;
        }
        return 0;
}

int shape_broadcast(Shape *s, const Shape *t, Error *e) {
        Shape all = {.rank = MAX(s->rank, t->rank)};
        ShapeText a, b;

        for (size_t i = 0; i < all.rank; i++) { /* from the right */
                int64_t x = i < s->rank ? s->dim[s->rank - 1 - i] : 1;
                int64_t y = i < t->rank ? t->dim[t->rank - 1 - i] : 1;

                if (x != y && x != 1 && y != 1)
                        return error_set(e, -EINVAL, "shapes %s and %s do not broadcast",
                                         shape_text(s, &a), shape_text(t, &b));
                all.dim[all.rank - 1 - i] = x == 1 ? y : x;
        }
        *s = all;
        return 0;
}

bool shape_broadcasts_to(const Shape *t, const Shape *s) {
        if (t->rank > s->rank)
                return false;
        for (size_t i = 1; i <= t->rank; i++)
                if (t->dim[t->rank - i] != 1 && t->dim[t->rank - i] != s->dim[s->rank - i])
                        return false;
        return true;
}

int axis_check(int64_t axis, size_t rank, size_t *ret, Error *e) {
        int64_t n = (int64_t)rank;

        if (axis < -n || axis >= n)
                return error_set(e, -EINVAL, "axis %" PRId64 " of a tensor with %zu dimensions",
                                 axis, rank);
        *ret = (size_t)(axis < 0 ? axis + n : axis);
        return 0;
}

int axes_mark(const Ints *axes, size_t rank, bool *ret_marked, Error *e) {
        for (size_t i = 0; i < rank; i++)
                ret_marked[i] = false;
        for (size_t i = 0; i < axes->n; i++) {
                size_t axis = 0;
                int r = axis_check(axes->at[i], rank, &axis, e);

                if (r < 0)
                        return r;
                if (ret_marked[axis])
                        return error_set(e, -EINVAL, "axis %zu is named twice", axis);
                ret_marked[axis] = true;
        }
        return 0;
}

int ints_from_attribute(const Node *n, const char *name, Ints *ret, Error *e) {
        const Attribute *a = attribute_find(n, name, ATTRIBUTE_INTS);

        *ret = (Ints){.given = a};
        if (!a)
                return 0;
        if (a->n > INTS_MAX)
                return error_set(e, -EINVAL, "attribute %s has %zu numbers, more than %zu", name,
                                 a->n, INTS_MAX);
        ret->n = a->n;
        if (a->n > 0)
                memcpy(ret->at, a->ints, a->n * sizeof(a->ints[0]));
        return 0;
}

int ints_from_tensor(const Tensor *t, const char *what, Ints *ret, Error *e) {
        int r;

        *ret = (Ints){.given = t};
        if (!t)
                return 0;
        r = type_check(t, TYPES_INDEX, what, e);
        if (r < 0)
                return r;
        if (t->rank > 1 || t->count > INTS_MAX)
                return error_set(e, -EINVAL, "%s must be a list of at most %zu numbers", what,
                                 INTS_MAX);
        ret->n = t->count;
        elements_load(t, 0, 1, t->count, ret->at);
        return 0;
}

int ints_get(const Node *n, const Tensor *const *in, const char *name, int since, size_t input,
             Ints *ret, Error *e) {
        const Tensor *t = n->n_inputs > input ? in[input] : NULL;
        char what[48];

        if (n->opset < since) {
                if (t)
                        return error_set(e, -EINVAL, "%s is no input before version %d", name,
                                         since);
                return ints_from_attribute(n, name, ret, e);
        }
        snprintf(what, sizeof(what), "input %s", name);
        return ints_from_tensor(t, what, ret, e);
}

int scalar_get(const Tensor *t, const char *what, double *ret, Error *e) {
        if (t->count != 1 || t->type == ELEMENT_STRING)
                return error_set(e, -EINVAL, "%s must be one number", what);
        *ret = tensor_get_f64(t, 0);
        return 0;
}
