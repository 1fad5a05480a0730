/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-sklearn FOLDER [MODELS-AT-LEAST]: each NAME.onnx there gives what NAME.csv says that
 * scikit-learn gave: the same labels, and probabilities, scores and values within 1e-5. See
 * make-sklearn.py for the columns. All rows at once and one by one give the same bits.
 */
#include <errno.h>
#include <glob.h>
#include <math.h>

#include "models/import-onnx.h"

#define ROWS_MAX 4096
#define COLUMNS_MAX 64
#define TOLERANCE 1e-5

typedef struct Table {
        size_t n_rows, n_columns;
        size_t n_inputs;                       /* columns x0 … */
        size_t label;                          /* column, or SIZE_MAX */
        size_t first;                          /* of the outputs p0 … or y0 … */
        char *cell[ROWS_MAX + 1][COLUMNS_MAX]; /* row 0: the names */
        char *text;
} Table;

static Table table;

static int fail(const char *name, const char *what) {
        printf("FAILED %s: %s\n", name, what);
        return -EINVAL;
}

static char *read_file(const char *path, size_t *ret_size) {
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        char *data = NULL;
        long size;

        if (!f || fseek(f, 0, SEEK_END) < 0)
                return NULL;
        size = ftell(f);
        if (size < 0 || fseek(f, 0, SEEK_SET) < 0)
                return NULL;
        data = calloc(1, (size_t)size + 1);
        if (!data || fread(data, 1, (size_t)size, f) != (size_t)size) {
                free(data);
                return NULL;
        }
        *ret_size = (size_t)size;
        return data;
}

/* Cuts t->text up. */
static int split_table(Table *t) {
        char *line, *rest = t->text;

        t->n_rows = t->n_columns = 0;
        for (size_t row = 0; (line = strsep(&rest, "\n")) && *line; row++) {
                char *cell;
                size_t n = 0;

                if (row > ROWS_MAX)
                        return -EFBIG;
                while ((cell = strsep(&line, ",")) && n < COLUMNS_MAX)
                        t->cell[row][n++] = cell;
                if (row > 0 && n != t->n_columns)
                        return -EINVAL;
                t->n_columns = n;
                t->n_rows = row;
        }
        t->n_inputs = 0;
        while (t->n_inputs < t->n_columns && t->cell[0][t->n_inputs][0] == 'x')
                t->n_inputs++;
        if (t->n_inputs == t->n_columns || t->n_rows == 0)
                return -EINVAL;
        t->label = streq(t->cell[0][t->n_inputs], "label") ? t->n_inputs : SIZE_MAX;
        t->first = t->n_inputs + (t->label != SIZE_MAX);
        return 0;
}

static int check_label(const Table *t, const Tensor *y, size_t row) {
        const char *expected = t->cell[row + 1][t->label];
        char number[32];

        if (y->type == ELEMENT_STRING)
                return streq(y->string[row], expected) ? 0 : -EINVAL;
        snprintf(number, sizeof(number), "%lld", (long long)tensor_get_i64(y, row));
        return streq(number, expected) ? 0 : -EINVAL;
}

static int check_values(const char *name, const Table *t, const Tensor *y) {
        size_t n = t->n_columns - t->first;

        if (y->count != t->n_rows * n)
                return fail(name, "another number of outputs");
        for (size_t i = 0; i < y->count; i++) {
                double got = tensor_get_f64(y, i);
                double expected = strtod(t->cell[i / n + 1][t->first + i % n], NULL);

                if (fabs(got - expected) <= TOLERANCE * fmax(1, fabs(expected)))
                        continue;
                printf("row %zu, %s: %.9g is expected, but it is %.9g\n", i / n,
                       t->cell[0][t->first + i % n], expected, got);
                return fail(name, "another value");
        }
        return 0;
}

static int run(const Graph *g, const Table *t, size_t first, size_t n_rows, Tensor **out,
               Error *e) {
        _cleanup_(tensor_freep)
        Tensor *x = NULL;
        int r;

        r = tensor_new(ELEMENT_F32, 2, (const int64_t[]){(int64_t)n_rows, (int64_t)t->n_inputs},
                       &x);
        if (r < 0)
                return r;
        for (size_t i = 0; i < x->count; i++)
                x->f32[i] = strtof(t->cell[first + i / t->n_inputs + 1][i % t->n_inputs], NULL);
        return graph_run(g, (const Tensor *const[]){x}, 1, out, e);
}

/* Rows one by one against all of them. */
static int check_single(const char *name, const Graph *g, const Table *t, Tensor *const *all) {
        for (size_t row = 0; row < t->n_rows; row++) {
                Tensor *one[2] = {0};
                Error e = ERROR_INIT;
                bool same;
                size_t last = g->n_outputs - 1, n;
                int r;

                r = run(g, t, row, 1, one, &e);
                if (r < 0)
                        return fail(name, e.text);
                n = one[last]->count;
                same = memcmp(one[last]->f32, all[last]->f32 + row * n, n * sizeof(float)) == 0;
                for (size_t i = 0; i < ELEMENTSOF(one); i++)
                        tensor_free(one[i]);
                if (!same)
                        return fail(name, "a row alone gives other bits than with others");
        }
        return 0;
}

static int check_graph(const char *name, const Graph *g, const Table *t) {
        Tensor *out[2] = {0};
        Error e = ERROR_INIT;
        size_t last = g->n_outputs - 1;
        int r;

        if (g->n_outputs != (t->label != SIZE_MAX ? 2 : 1))
                return fail(name, "another number of outputs");
        r = run(g, t, 0, t->n_rows, out, &e);
        if (r < 0)
                return fail(name, e.text);
        if (t->label != SIZE_MAX && out[0]->count != t->n_rows)
                r = fail(name, "another number of labels");
        for (size_t i = 0; r == 0 && t->label != SIZE_MAX && i < t->n_rows; i++)
                if (check_label(t, out[0], i) < 0) {
                        printf("row %zu: label %s is expected\n", i, t->cell[i + 1][t->label]);
                        r = fail(name, "another label");
                }
        if (r == 0)
                r = check_values(name, t, out[last]);
        if (r == 0)
                r = check_single(name, g, t, out);
        for (size_t i = 0; i < ELEMENTSOF(out); i++)
                tensor_free(out[i]);
        return r;
}

static int check_model(const char *path) {
        _cleanup_free_
        char *model = NULL, *text = NULL;
        _cleanup_(graph_freep)
        Graph *g = NULL;
        const char *name = strrchr(path, '/') + 1;
        char csv[4096];
        Error e = ERROR_INIT;
        size_t size, n;

        snprintf(csv, sizeof(csv), "%.*s.csv", (int)(strlen(path) - strlen(".onnx")), path);
        model = read_file(path, &size);
        text = table.text = read_file(csv, &n);
        if (!model || !text)
                return fail(name, "can't be read, or has no CSV");
        if (split_table(&table) < 0)
                return fail(name, "bad CSV");
        if (import_onnx(model, size, &g, &e) < 0)
                return fail(name, e.text);
        if (check_graph(name, g, &table) < 0)
                return -EINVAL;
        printf("passed %s: %zu rows\n", name, table.n_rows);
        return 0;
}

int main(int argc, char **argv) {
        size_t least = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 1, failed = 0;
        char pattern[4096];
        glob_t found;

        if (argc < 2 || argc > 3)
                return 2;
        snprintf(pattern, sizeof(pattern), "%s/*.onnx", argv[1]);
        if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc < least) {
                fprintf(stderr, "%s: not at least %zu models\n", argv[1], least);
                return 1;
        }
        for (size_t i = 0; i < found.gl_pathc; i++)
                failed += check_model(found.gl_pathv[i]) < 0;
        printf("%zu models, %zu failed\n", found.gl_pathc, failed);
        globfree(&found);
        return failed > 0;
}
