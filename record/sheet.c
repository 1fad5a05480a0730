/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/sheet.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "util/io.h"

#define TEMPORARY ".part"

struct Sheet {
        char *path, *temporary; /* NULL: standard output */
        SheetFormat format;
        size_t n_columns;
        FILE *file;
        sqlite3 *db;
        sqlite3_stmt *insert;
};

Sheet *sheet_free(Sheet *s) {
        if (!s)
                return NULL;
        if (s->file && s->file != stdout)
                fclose(s->file);
        (void)sqlite3_finalize(s->insert);
        (void)sqlite3_close_v2(s->db);
        if (s->temporary)
                (void)unlink(s->temporary);
        free(s->temporary);
        free(s->path);
        free(s);
        return NULL;
}

static void put_names(FILE *f, const char *const *columns, size_t n, const char *quote,
                      const char *type) {
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%s%s%s%s%s", i > 0 ? "," : "", quote, columns[i], quote, type);
}

/* Names are ours: nothing in them has to be escaped. */
static int begin_sqlite(Sheet *s, const char *const *columns, Error *e) {
        _cleanup_free_
        char *text = NULL;
        size_t size;
        FILE *f;
        int r;

        if (sqlite3_open_v2(s->temporary, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                            NULL) != SQLITE_OK)
                return sql_fail(s->db, e, s->temporary);
        /* It is all or nothing, and new. */
        r = sql_run(s->db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN", e);
        if (r < 0)
                return r;
        f = open_memstream(&text, &size);
        if (!f)
                return error_set(e, -ENOMEM, "out of memory");
        fputs("CREATE TABLE rows(", f);
        put_names(f, columns, s->n_columns, "\"", "");
        fputs(");CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT)", f);
        fclose(f);
        r = text ? sql_run(s->db, text, e) : -ENOMEM;
        free(TAKE_PTR(text));
        if (r < 0)
                return r;
        f = open_memstream(&text, &size);
        if (!f)
                return error_set(e, -ENOMEM, "out of memory");
        fputs("INSERT INTO rows VALUES(?", f);
        for (size_t i = 1; i < s->n_columns; i++)
                fputs(",?", f);
        fputc(')', f);
        fclose(f);
        return text ? sql_prepare(s->db, text, &s->insert, e) : -ENOMEM;
}

static int begin_csv(Sheet *s, const char *const *columns, Error *e) {
        int fd;

        if (!s->temporary) {
                s->file = stdout;
        } else {
                fd = open(s->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                          0666);
                s->file = fd < 0 ? NULL : fdopen(fd, "w");
                if (!s->file)
                        return error_set(e, -errno, "%s: %s", s->temporary, strerror(errno));
        }
        put_names(s->file, columns, s->n_columns, "", "");
        fputc('\n', s->file);
        return 0;
}

int sheet_new(const char *path, SheetFormat format, const char *const *columns, size_t n,
              Sheet **ret, Error *e) {
        _cleanup_(sheet_freep)
        Sheet *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return error_set(e, -ENOMEM, "out of memory");
        s->format = format;
        s->n_columns = n;
        if (!streq(path, "-")) {
                if (access(path, F_OK) == 0)
                        return error_set(e, -EEXIST, "%s: is there already", path);
                s->path = strdup(path);
                if (!s->path || asprintf(&s->temporary, "%s" TEMPORARY, path) < 0) {
                        s->temporary = NULL;
                        return error_set(e, -ENOMEM, "out of memory");
                }
                (void)unlink(s->temporary); /* of a run that was killed */
        }
        r = format == SHEET_CSV ? begin_csv(s, columns, e) : begin_sqlite(s, columns, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

/* RFC 4180: quoted where it has to be. */
static void put_text(FILE *f, const char *text) {
        if (!text[strcspn(text, ",\"\r\n")]) {
                fputs(text, f);
                return;
        }
        fputc('"', f);
        for (; *text; text++) {
                if (*text == '"')
                        fputc('"', f);
                fputc(*text, f);
        }
        fputc('"', f);
}

static int put_csv(Sheet *s, const Cell *cells, Error *e) {
        for (size_t i = 0; i < s->n_columns; i++) {
                const Cell *c = &cells[i];

                if (i > 0)
                        fputc(',', s->file);
                switch (c->kind) {
                case CELL_NONE:
                        break;
                case CELL_INTEGER:
                        fprintf(s->file, "%" PRId64, c->integer);
                        break;
                case CELL_FLOAT:
                        fprintf(s->file, "%.9g", c->number);
                        break;
                case CELL_SECONDS:
                        fprintf(s->file, "%.3f", c->number);
                        break;
                case CELL_TEXT:
                        if (c->text)
                                put_text(s->file, c->text);
                        break;
                }
        }
        errno = 0;
        if (fputc('\n', s->file) == EOF || ferror(s->file))
                return error_set(e, errno > 0 ? -errno : -EIO, "%s: %s",
                                 s->path ?: "standard output", strerror(errno));
        return 0;
}

static int put_sqlite(Sheet *s, const Cell *cells, Error *e) {
        for (size_t i = 0; i < s->n_columns; i++) {
                const Cell *c = &cells[i];
                int column = (int)i + 1;

                switch (c->kind) {
                case CELL_NONE:
                        sqlite3_bind_null(s->insert, column);
                        break;
                case CELL_INTEGER:
                        sqlite3_bind_int64(s->insert, column, c->integer);
                        break;
                case CELL_FLOAT:
                case CELL_SECONDS:
                        sqlite3_bind_double(s->insert, column, c->number);
                        break;
                case CELL_TEXT:
                        if (c->text)
                                sqlite3_bind_text(s->insert, column, c->text, -1, SQLITE_STATIC);
                        else
                                sqlite3_bind_null(s->insert, column);
                        break;
                }
        }
        return sql_finish(s->insert, e);
}

int sheet_put(Sheet *s, const Cell *cells, Error *e) {
        return s->format == SHEET_CSV ? put_csv(s, cells, e) : put_sqlite(s, cells, e);
}

static int finish_sqlite(Sheet *s, const char *json, Error *e) {
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r;

        /* Its members are rows: SQLite takes the document apart by itself. */
        r = sql_prepare(s->db,
                        "INSERT INTO meta SELECT key, CASE type WHEN 'true' THEN 'true' WHEN "
                        "'false' THEN 'false' ELSE value END FROM json_each(?1)",
                        &q, e);
        if (r < 0)
                return r;
        sqlite3_bind_text(q, 1, json, -1, SQLITE_STATIC);
        r = sql_finish(q, e);
        return r < 0 ? r : sql_run(s->db, "COMMIT", e);
}

static int finish_csv(Sheet *s, const char *json, Error *e) {
        char beside[4096];
        int r;

        errno = 0;
        if (fflush(s->file) != 0 || (s->path && fsync(fileno(s->file)) < 0))
                return error_set(e, errno > 0 ? -errno : -EIO, "%s: %s",
                                 s->path ?: "standard output", strerror(errno));
        if (!s->path)
                return 0;
        snprintf(beside, sizeof(beside), "%s.meta.json", s->path);
        r = io_replace_at(AT_FDCWD, beside, json, strlen(json), 0644);
        return r < 0 ? error_set(e, r, "%s: %s", beside, strerror(-r)) : 0;
}

int sheet_finish(Sheet *s, const char *json, Error *e) {
        int r;

        r = s->format == SHEET_CSV ? finish_csv(s, json, e) : finish_sqlite(s, json, e);
        if (r < 0 || !s->path)
                return r;
        if (s->format == SHEET_SQLITE) {
                (void)sqlite3_finalize(TAKE_PTR(s->insert));
                if (sqlite3_close_v2(TAKE_PTR(s->db)) != SQLITE_OK)
                        return error_set(e, -EIO, "%s: cannot be closed", s->path);
        }
        /* Never over another file. */
        if (link(s->temporary, s->path) < 0)
                return error_set(e, -errno, "%s: %s", s->path, strerror(errno));
        return 0;
}
