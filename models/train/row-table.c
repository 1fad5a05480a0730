/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>

#include "models/train/row-table.h"

#include "util/io.h"

static const char *const fixed_columns[] = {"program", "run", "pid", "t", "label", "dormant"};

#define N_FIXED ELEMENTSOF(fixed_columns)
#define N_COLUMNS (N_FIXED + FEATURE_COUNT)

void row_table_done(RowTable *t) {
        free(t->rows);
        *t = ROW_TABLE_INIT;
}

Row *row_table_add(RowTable *t) {
        if (t->n == t->n_allocated) {
                size_t n = MAX(t->n_allocated * 2, (size_t)256);
                Row *rows = reallocarray(t->rows, n, sizeof(*rows));

                if (!rows)
                        return NULL;
                t->rows = rows;
                t->n_allocated = n;
        }
        t->rows[t->n] = (Row){.pid = 0};
        return &t->rows[t->n++];
}

bool program_name_is_valid(const char *name) {
        size_t length = strlen(name);

        if (length == 0 || length >= PROGRAM_NAME_MAX)
                return false;
        for (size_t i = 0; i < length; i++)
                if (!isalnum((unsigned char)name[i]) && !strchr("._+-", name[i]))
                        return false;
        return true;
}

static const char *column_name(size_t i) {
        return i < N_FIXED ? fixed_columns[i] : feature_table[i - N_FIXED].name;
}

/* Cuts line at its commas; returns how many fields there are, of which at most max are stored. */
static size_t split_line(char *line, char **fields, size_t max) {
        size_t n = 0;

        for (char *p = line; p; n++) {
                char *field = strsep(&p, ",");

                if (n < max)
                        fields[n] = field;
        }
        return n;
}

static int check_header(char *line, const char *name, Error *e) {
        char *fields[N_COLUMNS];
        size_t n = split_line(line, fields, N_COLUMNS);

        for (size_t i = 0; i < MIN(n, N_COLUMNS); i++)
                if (!streq(fields[i], column_name(i)))
                        return error_set(
                                e, -EINVAL,
                                "%s:1: column %zu is '%.40s', expected '%s': the rows were "
                                "made with another feature table",
                                name, i + 1, fields[i], column_name(i));
        if (n != N_COLUMNS)
                return error_set(e, -EINVAL, "%s:1: %zu columns, expected %zu", name, n, N_COLUMNS);
        return 0;
}

static int parse_number(const char *text, double *ret) {
        char *end = NULL;
        double d;

        if (!*text || isspace((unsigned char)*text))
                return -EINVAL;
        d = strtod(text, &end);
        if (*end || !isfinite(d))
                return -EINVAL;
        *ret = d;
        return 0;
}

static int parse_row(char *line, size_t number, const char *name, Row *row, Error *e) {
        char *fields[N_COLUMNS];
        size_t n = split_line(line, fields, N_COLUMNS);
        uint64_t pid;
        int r;

        if (n != N_COLUMNS)
                return error_set(e, -EINVAL, "%s:%zu: %zu columns, expected %zu", name, number, n,
                                 N_COLUMNS);
        for (size_t i = 0; i < 2; i++)
                if (!program_name_is_valid(fields[i]))
                        return error_set(e, -EINVAL,
                                         "%s:%zu: %s '%.60s' is not a name of letters, digits and "
                                         "'._+-', at most %d long",
                                         name, number, column_name(i), fields[i],
                                         PROGRAM_NAME_MAX - 1);
        snprintf(row->program, sizeof(row->program), "%s", fields[0]);
        snprintf(row->run, sizeof(row->run), "%s", fields[1]);
        if (parse_u64(fields[2], 0, INT_MAX, &pid) < 0)
                return error_set(e, -EINVAL, "%s:%zu: pid '%.40s' is not a process id", name,
                                 number, fields[2]);
        row->pid = (pid_t)pid;
        r = class_from_string(fields[4]);
        if (r < 0)
                return error_set(e, -EINVAL, "%s:%zu: unknown class '%.40s'", name, number,
                                 fields[4]);
        row->label = (LoadClass)r;
        if (!streq(fields[5], "0") && !streq(fields[5], "1"))
                return error_set(e, -EINVAL, "%s:%zu: dormant '%.40s' is neither 0 nor 1", name,
                                 number, fields[5]);
        row->dormant = fields[5][0] == '1';
        for (size_t i = 3; i < N_COLUMNS; i++) {
                double d;

                if (i == 4 || i == 5)
                        continue;
                if (parse_number(fields[i], &d) < 0 || (i >= N_FIXED && !isfinite((float)d)))
                        return error_set(e, -EINVAL, "%s:%zu: %s '%.40s' is not a finite number",
                                         name, number, column_name(i), fields[i]);
                if (i == 3)
                        row->at = d;
                else
                        row->x[i - N_FIXED] = (float)d;
        }
        return 0;
}

int row_table_read(RowTable *t, FILE *f, const char *name, Error *e) {
        _cleanup_free_
        char *line = NULL;
        size_t size = 0, number = 0;
        int r;

        for (;;) {
                ssize_t length;

                errno = 0;
                length = getline(&line, &size, f);
                if (length < 0)
                        break;
                number++;
                if (strlen(line) != (size_t)length)
                        return error_set(e, -EINVAL, "%s:%zu: NUL byte", name, number);
                if (length > 0 && line[length - 1] == '\n')
                        line[--length] = '\0';
                if (number == 1) {
                        r = check_header(line, name, e);
                } else {
                        Row *row = row_table_add(t);

                        r = row ? parse_row(line, number, name, row, e) : -ENOMEM;
                }
                if (r < 0)
                        return r;
        }
        if (ferror(f))
                return error_set(e, errno > 0 ? -errno : -EIO, "%s: %m", name);
        if (number == 0)
                return error_set(e, -EINVAL, "%s: empty, expected a header line", name);
        if (t->n == 0)
                return error_set(e, -ENODATA, "%s: no rows", name);
        return 0;
}

int row_table_read_path(RowTable *t, const char *path, Error *e) {
        _cleanup_fclose_
        FILE *f = NULL;

        if (streq(path, "-"))
                return row_table_read(t, stdin, "standard input", e);
        f = fopen(path, "re");
        if (!f)
                return error_set(e, -errno, "%s: %m", path);
        return row_table_read(t, f, path, e);
}

int row_table_write(const RowTable *t, FILE *f) {
        for (size_t i = 0; i < N_COLUMNS; i++)
                fprintf(f, "%s%s", i > 0 ? "," : "", column_name(i));
        fputc('\n', f);
        for (size_t i = 0; i < t->n; i++) {
                const Row *row = &t->rows[i];

                fprintf(f, "%s,%s,%d,%.3f,%s,%d", row->program, row->run, (int)row->pid, row->at,
                        class_to_string(row->label), row->dormant);
                for (size_t k = 0; k < FEATURE_COUNT; k++)
                        fprintf(f, ",%.9g", (double)row->x[k]);
                fputc('\n', f);
        }
        errno = 0;
        if (fflush(f) != 0 || ferror(f))
                return errno > 0 ? -errno : -EIO;
        return 0;
}
