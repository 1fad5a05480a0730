/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/operators/fast.h"
#include "models/operators/product.h"

int product_operand(const Tensor *t, const char *what, Tensor **owned, const Tensor **ret,
                    Error *e) {
        int r = type_check(t, TYPES_PRODUCT | TYPE(F16) | TYPE(BF16) | TYPE(U32), what, e);

        if (r < 0)
                return r;
        if (!(TYPES_PRODUCT & (1u << t->type))) {
                r = tensor_convert(t, t->type == ELEMENT_U32 ? ELEMENT_I64 : ELEMENT_F32, owned, e);
                if (r < 0)
                        return r;
                t = *owned;
        }
        *ret = t;
        return 0;
}

#define COLUMNS ((size_t)8)

/* Where b is transposed, its columns lie side by side in memory: eight of them at a time. Otherwise
 * the inner loop runs along b's row. Either way each sum adds its products in the order of k. */
#define SUMS(NAME, T, SUM)                                                                 \
        static void NAME(const Product *p, const T *a, const T *b, size_t n, SUM *sum) {   \
                size_t j = 0;                                                              \
                                                                                           \
                for (; p->b_row == 1 && j + COLUMNS <= n; j += COLUMNS) {                  \
                        const T *column = b + (int64_t)j * p->b_column;                    \
                        SUM s[COLUMNS] = {};                                               \
                                                                                           \
                        for (size_t k = 0; k < p->k; k++) {                                \
                                SUM x = (SUM)a[(int64_t)k * p->a_column];                  \
                                                                                           \
                                for (size_t i = 0; i < COLUMNS; i++)                       \
                                        s[i] += x * (SUM)column[(int64_t)i * p->b_column + \
                                                                (int64_t)k];               \
                        }                                                                  \
                        memcpy(sum + j, s, sizeof(s));                                     \
                }                                                                          \
                for (size_t i = j; i < n; i++)                                             \
                        sum[i] = 0;                                                        \
                for (size_t k = 0; j < n && k < p->k; k++) {                               \
                        SUM x = (SUM)a[(int64_t)k * p->a_column];                          \
                        const T *row = b + (int64_t)k * p->b_row;                          \
                                                                                           \
                        if (p->b_column == 1)                                              \
                                for (size_t i = j; i < n; i++)                             \
                                        sum[i] += x * (SUM)row[i];                         \
                        else                                                               \
                                for (size_t i = j; i < n; i++)                             \
                                        sum[i] += x * (SUM)row[(int64_t)i * p->b_column];  \
                }                                                                          \
        }

SUMS(sums_f32, float, double)
SUMS(sums_f64, double, double)
/* Unsigned: sums wrap, and their low bits are those of the signed ones. */
SUMS(sums_i32, int32_t, uint64_t)
SUMS(sums_i64, int64_t, uint64_t)

void product_sums(const Product *p, const Tensor *a, int64_t a_at, const Tensor *b, int64_t b_at,
                  size_t row, size_t column, size_t count, Block *sums) {
        a_at += (int64_t)row * p->a_row;
        b_at += (int64_t)column * p->b_column;
        if (a->type == ELEMENT_F32)
                sums_f32(p, a->f32 + a_at, b->f32 + b_at, count, sums->f64);
        else if (a->type == ELEMENT_F64)
                sums_f64(p, a->f64 + a_at, b->f64 + b_at, count, sums->f64);
        else if (a->type == ELEMENT_I32)
                sums_i32(p, a->i32 + a_at, b->i32 + b_at, count, sums->u64);
        else
                sums_i64(p, a->i64 + a_at, b->i64 + b_at, count, sums->u64);
}

/* Columns column … column + count - 1 of b for fast_tile(): the last panel is filled up with zeros.
 */
static void pack(const Product *p, const Tensor *b, size_t column, size_t count, double *panels) {
        for (size_t j = 0; j < count; j += PANEL, panels += p->k * PANEL) {
                size_t width = MIN(PANEL, count - j);
                int64_t at = (int64_t)(column + j) * p->b_column;

                if (width < PANEL)
                        memset(panels, 0, p->k * PANEL * sizeof(*panels));
                for (size_t k = 0; k < p->k; k++, at += p->b_row)
                        for (size_t i = 0; i < width; i++) {
                                int64_t from = at + (int64_t)i * p->b_column;

                                panels[k * PANEL + i] = b->type == ELEMENT_F64
                                                                ? b->f64[from]
                                                                : (double)b->f32[from];
                        }
        }
}

/* To out[at] …: the sums, or with sum, what it makes of them and of c. */
static void give_row(const Sum *sum, const Block *c, Block *sums, size_t at, size_t n,
                     Tensor *out) {
        if (sum && out->type == ELEMENT_F32) {
                fast_combine(sum->alpha, sums, sum->beta, c, out->f32 + at, n);
                return;
        }
        for (size_t i = 0; sum && i < n; i++)
                sums->f64[i] = sum->alpha * sums->f64[i] + sum->beta * c->f64[i];
        elements_store(out, at, n, WIDE_F64, sums);
}

/* Rows row … row + rows - 1 of the product. */
static void run_tile(const Product *p, const Tensor *a, const double *panels, size_t row,
                     size_t rows, size_t count, Block *sums) {
        Block from[PANEL_ROWS];

        for (size_t r = 0; r < rows; r++)
                memset(sums[r].f64, 0, (count + PANEL - 1) / PANEL * PANEL * sizeof(double));
        for (size_t k = 0; k < p->k; k += BLOCK) {
                const Tile tile = {
                        .a = from,
                        .panels = panels + k * PANEL,
                        .rows = rows,
                        .k = MIN(BLOCK, p->k - k),
                        .columns = count,
                        .stride = p->k * PANEL,
                };

                for (size_t r = 0; r < rows; r++)
                        elements_load(a, (int64_t)(row + r) * p->a_row + (int64_t)k * p->a_column,
                                      p->a_column, tile.k, &from[r]);
                fast_tile(&tile, sums);
        }
}

int product_floats(const Product *p, const Tensor *a, const Tensor *b, const Sum *sum,
                   Tensor *out) {
        size_t widest = (MIN(BLOCK, p->n) + PANEL - 1) / PANEL * PANEL;
        _cleanup_free_
        double *panels = aligned_alloc(PANEL * sizeof(double),
                                       MAX(p->k, (size_t)1) * widest * sizeof(double));
        Block sums[PANEL_ROWS], c = {};

        if (!panels)
                return -ENOMEM;
        for (size_t column = 0; column < p->n; column += BLOCK) {
                size_t count = MIN(BLOCK, p->n - column);

                pack(p, b, column, count, panels);
                for (size_t row = 0; row < p->m; row += PANEL_ROWS) {
                        size_t rows = MIN(PANEL_ROWS, p->m - row);

                        run_tile(p, a, panels, row, rows, count, sums);
                        for (size_t r = 0; r < rows; r++) {
                                if (sum && sum->c && (row + r == 0 || sum->c_row != 0))
                                        elements_load(sum->c,
                                                      (int64_t)(row + r) * sum->c_row +
                                                              (int64_t)column * sum->c_column,
                                                      sum->c_column, count, &c);
                                give_row(sum, &c, &sums[r], (row + r) * p->n + column, count, out);
                        }
                }
        }
        return 0;
}

/* The walk over the starts of one operand's matrices, in the order of the result's. */
static void walk_init_stack(Walk *w, const Shape *t, const Shape *stack) {
        int64_t own[TENSOR_RANK_MAX], stride[TENSOR_RANK_MAX] = {};
        size_t rank = t->rank > 2 ? t->rank - 2 : 0;

        shape_strides(t, own);
        for (size_t i = 0; i < rank; i++)
                stride[stack->rank - rank + i] = t->dim[i] == 1 ? 0 : own[i];
        walk_init(w, 0, stack, stride);
}

int stacks_init(Stacks *s, const Node *n, const Shape *a, const Shape *b, Error *e) {
        Shape stack = {.rank = a->rank > 2 ? a->rank - 2 : 0}, other = *b;
        ShapeText x, y;
        int64_t k;
        int r;

        if (a->rank == 0 || b->rank == 0)
                return error_set(e, -EINVAL, "a scalar has no product of matrices");
        k = b->rank > 1 ? b->dim[b->rank - 2] : b->dim[0];
        if (a->dim[a->rank - 1] != k)
                return error_set(e, -EINVAL, "shapes %s and %s do not multiply", shape_text(a, &x),
                                 shape_text(b, &y));
        memcpy(stack.dim, a->dim, stack.rank * sizeof(stack.dim[0]));
        other.rank = b->rank > 2 ? b->rank - 2 : 0;
        r = shape_broadcast(&stack, &other, e);
        if (r < 0)
                return r;
        *s = (Stacks){.product = {.m = a->rank > 1 ? (size_t)a->dim[a->rank - 2] : 1,
                                  .k = (size_t)k,
                                  .n = b->rank > 1 ? (size_t)b->dim[b->rank - 1] : 1},
                      .out = stack};
        s->product.a_row = k;
        s->product.a_column = 1;
        s->product.b_row = (int64_t)s->product.n;
        s->product.b_column = 1;
        /* A vector is a matrix of one row or column, which the result does not have. */
        if (a->rank > 1)
                s->out.dim[s->out.rank++] = (int64_t)s->product.m;
        if (b->rank > 1)
                s->out.dim[s->out.rank++] = (int64_t)s->product.n;
        r = tensor_count(s->out.rank, s->out.dim, &s->left);
        if (r < 0)
                return error_set(e, r, "the product of shapes %s and %s is too large",
                                 shape_text(a, &x), shape_text(b, &y));
        if (s->left == 0)
                return 0;
        walk_init_stack(&s->a, a, &stack);
        walk_init_stack(&s->b, b, &stack);
        return operator_spend(n, s->left, s->product.k, 1, e);
}

size_t stacks_next(Stacks *s, const Tensor *a, const Tensor *b, Block *sums, size_t *ret_row,
                   size_t *ret_column) {
        const Product *p = &s->product;
        size_t count = MIN(BLOCK, p->n - s->column);
        int64_t step;

        if (s->left == 0)
                return 0;
        if (s->row == 0 && s->column == 0) {
                walk_next(&s->a, 1, &s->a_at, &step);
                walk_next(&s->b, 1, &s->b_at, &step);
        }
        product_sums(p, a, s->a_at, b, s->b_at, s->row, s->column, count, sums);
        *ret_row = s->row;
        *ret_column = s->column;
        s->left -= count;
        s->column += count;
        if (s->column == p->n) {
                s->column = 0;
                s->row = s->row + 1 == p->m ? 0 : s->row + 1;
        }
        return count;
}
