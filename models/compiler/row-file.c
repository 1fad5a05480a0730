/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/row-file.h"

#include <errno.h>

#include "util/io.h"

typedef struct Reader {
        RowFile *to;
        const char *file;
        size_t line;
        size_t n_columns; /* of the file */
        size_t *take;     /* [n_columns]: index of the field, or SIZE_MAX */
        size_t n_allocated;
        Error *e;
} Reader;

void row_file_done(RowFile *r) {
        for (size_t i = 0; r->names && i < r->n_fields; i++)
                free(r->names[i]);
        free(r->names);
        free(r->rows);
        *r = ROW_FILE_INIT;
}

/* The next comma-separated piece of *text, NULL behind the last. */
static char *next_piece(char **text) {
        char *piece = *text, *comma;

        if (!piece)
                return NULL;
        comma = strchr(piece, ',');
        if (comma)
                *comma = '\0';
        *text = comma ? comma + 1 : NULL;
        return piece;
}

static int out_of_memory(const Reader *in) {
        return error_set(in->e, -ENOMEM, "%s: out of memory", in->file);
}

static bool is_among(char *const *names, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (streq(names[i], name))
                        return true;
        return false;
}

static int split_header(Reader *in, char *line, char **ret) {
        size_t n = 0;
        char *piece;

        for (; (piece = next_piece(&line)); ret[n++] = piece) {
                if (n == ROW_FILE_COLUMNS_MAX)
                        return error_set(in->e, -EFBIG, "%s:1: more than %zu columns", in->file,
                                         ROW_FILE_COLUMNS_MAX);
                if (!piece[0])
                        return error_set(in->e, -EINVAL, "%s:1: column %zu has no name", in->file,
                                         n + 1);
                if (is_among(ret, n, piece))
                        return error_set(in->e, -EINVAL, "%s:1: column '%.60s' is there twice",
                                         in->file, piece);
        }
        in->n_columns = n;
        return 0;
}

static int take_column(Reader *in, char *const *columns, const char *name, size_t field) {
        for (size_t i = 0; i < in->n_columns; i++)
                if (streq(columns[i], name)) {
                        in->take[i] = field;
                        in->to->names[field] = strdup(name);
                        return in->to->names[field] ? 0 : out_of_memory(in);
                }
        return error_set(in->e, -EINVAL, "%s:1: no column '%.60s', which the model's features name",
                         in->file, name);
}

static int read_header(Reader *in, char *line, const char *const *names, size_t n) {
        char *columns[ROW_FILE_COLUMNS_MAX];
        int r = split_header(in, line, columns);

        if (r < 0)
                return r;
        in->take = malloc((in->n_columns + 1) * sizeof(*in->take));
        in->to->n_fields = names ? n : in->n_columns;
        in->to->names = calloc(in->to->n_fields + 1, sizeof(*in->to->names));
        if (!in->take || !in->to->names)
                return out_of_memory(in);
        for (size_t i = 0; i < in->n_columns; i++)
                in->take[i] = SIZE_MAX;
        for (size_t i = 0; i < in->to->n_fields && r >= 0; i++)
                r = take_column(in, columns, names ? names[i] : columns[i], i);
        return r;
}

static int read_value(Reader *in, const char *piece, size_t field, uint32_t *row) {
        uint64_t v;

        if (parse_u64(piece, 0, UINT32_MAX, &v) < 0)
                return error_set(in->e, -EINVAL,
                                 "%s:%zu: %s '%.40s' is not a whole number from 0 to 4294967295",
                                 in->file, in->line, in->to->names[field], piece);
        row[field] = (uint32_t)v;
        return 0;
}

static int read_row(Reader *in, char *line) {
        RowFile *to = in->to;
        size_t column = 0;
        char *piece;
        uint32_t *row;

        if (to->n_rows == ROW_FILE_ROWS_MAX)
                return error_set(in->e, -EFBIG, "%s:%zu: more than %zu rows", in->file, in->line,
                                 ROW_FILE_ROWS_MAX);
        if (to->n_rows == in->n_allocated) {
                size_t n = in->n_allocated ? 2 * in->n_allocated : 1024;

                row = reallocarray(to->rows, n, to->n_fields * sizeof(*row));
                if (!row)
                        return out_of_memory(in);
                to->rows = row;
                in->n_allocated = n;
        }
        row = to->rows + to->n_rows * to->n_fields;
        for (; (piece = next_piece(&line)); column++) {
                int r = 0;

                if (column < in->n_columns && in->take[column] != SIZE_MAX)
                        r = read_value(in, piece, in->take[column], row);
                if (r < 0)
                        return r;
        }
        if (column != in->n_columns)
                return error_set(in->e, -EINVAL, "%s:%zu: %zu columns, the header has %zu",
                                 in->file, in->line, column, in->n_columns);
        to->n_rows++;
        return 0;
}

static int read_lines(Reader *in, FILE *f, const char *const *names, size_t n) {
        _cleanup_free_
        char *line = NULL;
        size_t size = 0;
        ssize_t length;
        int r = 0;

        while (r >= 0 && (length = getline(&line, &size, f)) >= 0) {
                in->line++;
                if (memchr(line, '\0', (size_t)length))
                        return error_set(in->e, -EINVAL, "%s:%zu: a NUL byte", in->file, in->line);
                line[strcspn(line, "\r\n")] = '\0';
                if (in->line == 1)
                        r = read_header(in, line, names, n);
                else if (line[0])
                        r = read_row(in, line);
        }
        if (r >= 0 && ferror(f))
                return error_set(in->e, -EIO, "%s: cannot be read", in->file);
        if (r >= 0 && in->to->n_rows == 0)
                return error_set(in->e, -ENODATA, "%s: no rows", in->file);
        return r;
}

int row_file_read(RowFile *r, FILE *f, const char *file, const char *const *names, size_t n,
                  Error *e) {
        Reader in = {.to = r, .file = file, .e = e};
        int k;

        *r = ROW_FILE_INIT;
        k = read_lines(&in, f, names, n);
        free(in.take);
        if (k < 0)
                row_file_done(r);
        return k;
}

int row_file_read_path(RowFile *r, const char *path, const char *const *names, size_t n, Error *e) {
        _cleanup_fclose_
        FILE *f = NULL;

        if (streq(path, "-"))
                return row_file_read(r, stdin, "standard input", names, n, e);
        f = fopen(path, "re");
        if (!f)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        return row_file_read(r, f, path, names, n, e);
}
