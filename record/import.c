/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-record import: what can come into a data set. */

#include "record/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "models/train/json-file.h"
#include "models/train/labels.h"
#include "record/label.h"
#include "record/parse.h"
#include "record/verbs.h"
#include "record/writer.h"
#include "util/io.h"

#define LABELS_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define LABEL_COLUMNS_MAX 16

/* ---- recordings ---- */

/* Which recording it is, so that it does not come twice. */
static int identify(const char *path, char ret[64], int64_t *ret_mtime, Error *e) {
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        uint64_t hash = FNV1A64_INIT;
        struct stat st;
        char buffer[65536];
        size_t n;

        if (!f || fstat(fileno(f), &st) < 0)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        while ((n = fread(buffer, 1, sizeof(buffer), f)) > 0)
                hash = fnv1a64(hash, buffer, n);
        snprintf(ret, 64, "recording-%016" PRIx64 "-%" PRIu64, hash, (uint64_t)st.st_size);
        *ret_mtime = (int64_t)st.st_mtim.tv_sec * (int64_t)USEC_PER_SEC +
                     st.st_mtim.tv_nsec / (int64_t)NSEC_PER_USEC;
        return 0;
}

static int note_last(const Sample *s, void *userdata) {
        *(usec_t *)userdata = s->at;
        return 0;
}

static int copy_frames(Writer *writer, Reader *reader, Error *e) {
        int r;

        while ((r = reader_next(reader, e)) > 0) {
                r = writer_frame(writer, reader, e);
                if (r < 0)
                        return r;
        }
        if (reader->torn)
                fprintf(stderr, "%s ends in the middle of a frame, ignoring its rest\n",
                        reader->path);
        return r < 0 ? r : writer_end(writer, e);
}

/* Into a data set of its own. */
static int write_recording(Store *scratch, const char *path, Error *e) {
        _cleanup_(writer_freep)
        Writer *writer = NULL;
        _cleanup_(reader_done)
        Reader reader = {0};
        RecordedHeader header;
        char uuid[64];
        WriterOrigin origin = {.boot_id = uuid, .name = path, .uuid = uuid};
        usec_t last = 0;
        int64_t mtime = 0;
        int r;

        r = identify(path, uuid, &mtime, e);
        if (r >= 0)
                r = recording_visit(path, &(RecordingVisitor){.sample = note_last}, &last, e);
        if (r < 0)
                return r;
        /* It has the time since boot alone; its last sample was taken when it was last written. */
        origin.epoch = mtime - (int64_t)last;
        r = writer_new(scratch, &writer);
        if (r >= 0)
                r = reader_open(&reader, path, e);
        if (r >= 0)
                r = reader_header(&reader, &header, e);
        if (r >= 0)
                r = writer_begin(writer, &header, reader.payload + sizeof(header),
                                 reader.head.size - sizeof(header), &origin, e);
        return r < 0 ? r : copy_frames(writer, &reader, e);
}

/* Checked as the trainer checks it; kept as it is. */
static int write_runs(Store *scratch, const char *path, Error *e) {
        _cleanup_(labels_done)
        Labels labels = LABELS_INIT;
        _cleanup_json_ json_object *o = NULL;
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        json_object *runs = NULL;
        int r;

        r = labels_read(path, &labels, e);
        if (r >= 0)
                r = json_file_read(path, &o, e);
        if (r >= 0)
                r = sql_prepare(
                        scratch->db,
                        "INSERT INTO runs(stream, json) SELECT max(stream), ?1 FROM streams", &q,
                        e);
        if (r < 0 || !json_object_object_get_ex(o, "runs", &runs))
                return r;
        for (size_t i = 0; r >= 0 && i < json_object_array_length(runs); i++) {
                const char *text = json_object_to_json_string(json_object_array_get_idx(runs, i));

                sqlite3_bind_text(q, 1, text, -1, SQLITE_TRANSIENT);
                r = sql_finish(q, e);
        }
        return r;
}

static void remove_scratch(const char *path) {
        static const char *const parts[] = {"", "-wal", "-shm"};
        char full[4096 + 48];

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                snprintf(full, sizeof(full), "%s%s", path, parts[i]);
                (void)unlink(full);
        }
}

int import_recording(Store *store, const char *path, const char *labels, Imported *ret, Error *e) {
        char scratch[4096 + 32], aside[4096];
        Store *own = NULL;
        int r;

        snprintf(scratch, sizeof(scratch), "%s.import-%d", store->path, getpid());
        remove_scratch(scratch);
        r = store_open(scratch, 0, 0, &own, aside, e);
        if (r >= 0)
                r = write_recording(own, path, e);
        if (r >= 0 && labels)
                r = write_runs(own, labels, e);
        store_close(own);
        if (r >= 0)
                r = import_database(store, scratch, ret, e);
        if (r >= 0 && ret->streams == 0)
                r = error_set(e, -EALREADY, "%s: is in the data set already", path);
        remove_scratch(scratch);
        return r;
}

/* ---- labels ---- */

/* One field of RFC 4180, unquoted in place; *p goes behind it and its comma. False: a quote is not
 * closed. */
static bool take_field(char **p, char **ret) {
        char *from = *p, *to = *p;

        if (*from != '"') {
                char *end = from + strcspn(from, ",");

                *ret = from;
                *p = *end ? end + 1 : NULL;
                *end = '\0';
                return true;
        }
        for (from++;; from++) {
                if (*from == '\0')
                        return false;
                if (*from == '"' && *++from != '"')
                        break;
                *to++ = *from;
        }
        if (*from != ',' && *from != '\0')
                return false;
        *ret = *p;
        *p = *from ? from + 1 : NULL;
        *to = '\0';
        return true;
}

static ssize_t take_fields(char *line, char *fields[LABEL_COLUMNS_MAX]) {
        size_t n = 0;

        for (char *p = line; p; n++)
                if (n == LABEL_COLUMNS_MAX || !take_field(&p, &fields[n]))
                        return -1;
        return (ssize_t)n;
}

typedef enum LabelColumn {
        COLUMN_CLASS,
        COLUMN_PROGRAM,
        COLUMN_COMM,
        COLUMN_EXE,
        COLUMN_PID,
        COLUMN_SINCE,
        COLUMN_UNTIL,
        COLUMN_NOTE,
        _COLUMN_COUNT,
} LabelColumn;

static const char *const column_names[_COLUMN_COUNT] = {"class", "program", "comm",  "exe",
                                                        "pid",   "since",   "until", "note"};

/* "": not said. */
static int set_column(NewLabel *l, LabelColumn column, char *value, int64_t now, const char *where,
                      Error *e) {
        const char **texts[_COLUMN_COUNT] = {
                [COLUMN_CLASS] = &l->load_class, [COLUMN_PROGRAM] = &l->program,
                [COLUMN_COMM] = &l->comm,        [COLUMN_EXE] = &l->exe,
                [COLUMN_NOTE] = &l->note,
        };
        uint64_t pid = 0;

        if (!value[0])
                return 0;
        if (texts[column]) {
                *texts[column] = value;
                return 0;
        }
        if (column != COLUMN_PID)
                return parse_when(where, value, now, column == COLUMN_SINCE ? &l->since : &l->until,
                                  e);
        if (parse_u64(value, 1, INT32_MAX, &pid) < 0)
                return error_set(e, -EINVAL, "%spid '%.40s' is no pid", where, value);
        l->pid = (pid_t)pid;
        return 0;
}

static int take_label(Store *store, char *fields[], const LabelColumn *columns, size_t n,
                      const char *where, const char *by, Error *e) {
        NewLabel l = {.since = INT64_MIN, .until = INT64_MAX, .by = by};
        int64_t now = (int64_t)usec_now(CLOCK_REALTIME);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = set_column(&l, columns[i], fields[i], now, where, e);
        if (r >= 0)
                r = label_check(&l, where, e);
        return r < 0 ? r : label_insert(store, &l, now, /* ret_id= */ NULL, e);
}

static int read_columns(char *line, const char *path, LabelColumn *columns, size_t *ret_n,
                        Error *e) {
        char *fields[LABEL_COLUMNS_MAX];
        ssize_t n = take_fields(line, fields);

        for (ssize_t i = 0; i < n; i++) {
                size_t k = 0;

                while (k < _COLUMN_COUNT && !streq(fields[i], column_names[k]))
                        k++;
                if (k == _COLUMN_COUNT)
                        return error_set(e, -EINVAL,
                                         "%s:1: column '%.40s' is not one of class, program, comm, "
                                         "exe, pid, since, until, note",
                                         path, fields[i]);
                columns[i] = (LabelColumn)k;
        }
        if (n < 0)
                return error_set(e, -EINVAL, "%s:1: is no line of CSV", path);
        *ret_n = (size_t)n;
        return 0;
}

static int read_labels(Store *store, char *text, const char *path, Imported *ret, Error *e) {
        LabelColumn columns[LABEL_COLUMNS_MAX];
        char *fields[LABEL_COLUMNS_MAX], by[64], where[4096 + 32];
        size_t n_columns = 0, number = 0;
        int r = 0;

        label_author(by, sizeof(by));
        for (char *line = strsep(&text, "\n"); r >= 0 && line; line = strsep(&text, "\n")) {
                line[strcspn(line, "\r")] = '\0';
                snprintf(where, sizeof(where), "%s:%zu: ", path, ++number);
                if (number == 1) {
                        r = read_columns(line, path, columns, &n_columns, e);
                        continue;
                }
                if (!line[0])
                        continue;
                if (take_fields(line, fields) != (ssize_t)n_columns)
                        return error_set(e, -EINVAL, "%sis not %zu fields of CSV", where,
                                         n_columns);
                r = take_label(store, fields, columns, n_columns, where, by, e);
                ret->labels++;
        }
        return r;
}

int import_labels(Store *store, const char *path, Imported *ret, Error *e) {
        _cleanup_free_
        char *text = NULL;
        Imported imported = {0};
        size_t size;
        int r;

        r = io_read_all_at(AT_FDCWD, path, LABELS_SIZE_MAX, &text, &size);
        if (r < 0)
                return error_set(e, r, "%s: %s", path, strerror(-r));
        if (strlen(text) != size)
                return error_set(e, -EINVAL,
                                 "%s: is neither a data set, nor a recording, nor a CSV of labels",
                                 path);
        r = sql_run(store->db, "BEGIN IMMEDIATE", e);
        if (r < 0)
                return r;
        r = read_labels(store, text, path, &imported, e);
        if (r >= 0)
                r = sql_run(store->db, "COMMIT", e);
        if (r < 0) {
                if (!sqlite3_get_autocommit(store->db))
                        (void)sql_run(store->db, "ROLLBACK", /* e= */ NULL);
                return r;
        }
        *ret = imported;
        return 0;
}

/* ---- the verb ---- */

/* What it is stands at its beginning. */
static int import_any(Store *store, const char *path, const char *labels, Imported *ret, Error *e) {
        static const char sqlite[] = "SQLite format 3";
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        char magic[16] = "";
        bool is_recording;

        if (!f)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        if (fread(magic, 1, sizeof(magic), f) == 0 && ferror(f))
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        is_recording = memcmp(magic, RECORDING_MAGIC, RECORDING_MAGIC_SIZE) == 0;
        if (labels && !is_recording)
                return error_set(e, -EINVAL, "%s: is no recording, which --labels is for", path);
        if (is_recording)
                return import_recording(store, path, labels, ret, e);
        if (memcmp(magic, sqlite, sizeof(sqlite)) == 0)
                return import_database(store, path, ret, e);
        return import_labels(store, path, ret, e);
}

static int perform(const char *database, const char *path, const char *labels, bool as_json,
                   Error *e) {
        _cleanup_(store_closep)
        Store *store = NULL;
        Imported imported = {0};
        char aside[4096];
        int r;

        /* The first import makes a data set; what is there is not touched where it is damaged. */
        r = access(database, F_OK) < 0
                    ? store_open(database, 0, 0, &store, aside, e)
                    : store_open_existing(database, /* writable= */ true, &store, e);
        if (r >= 0)
                r = import_any(store, path, labels, &imported, e);
        if (r < 0)
                return r;
        printf(as_json ? "{ \"streams\": %" PRIu64 ", \"ticks\": %" PRIu64 ", \"labels\": %" PRIu64
                         " }\n"
                       : "%" PRIu64 " streams, %" PRIu64 " ticks, %" PRIu64 " labels\n",
               imported.streams, imported.ticks, imported.labels);
        return 0;
}

int verb_import(int argc, char *argv[]) {
        static const struct option options[] = {
                {"database", required_argument, NULL, 'd'},
                {"json", no_argument, NULL, 'j'},
                {"labels", required_argument, NULL, 'l'},
                {},
        };
        const char *database = database_default(), *labels = NULL;
        bool as_json = false;
        Error e = ERROR_INIT;
        int c;

        while ((c = getopt_long(argc, argv, "d:j", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        database = optarg;
                        break;
                case 'j':
                        as_json = true;
                        break;
                case 'l':
                        labels = optarg;
                        break;
                default:
                        return usage_error("import", "unknown option or missing value");
                }
        if (optind + 1 != argc)
                return usage_error("import", "needs one FILE");
        return verb_finish("import", perform(database, argv[optind], labels, as_json, &e), &e);
}
