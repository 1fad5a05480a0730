/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-record info: what a data set holds. */

#include <errno.h>
#include <inttypes.h>

#include "record/json.h"
#include "record/parse.h"
#include "record/schema.h"
#include "record/store.h"
#include "record/verbs.h"

#define TIME_MAX 40

static const char *format_time(char text[TIME_MAX], int64_t at) {
        time_t t = (time_t)(at / (int64_t)USEC_PER_SEC);
        struct tm tm;

        if (!localtime_r(&t, &tm) || strftime(text, TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                snprintf(text, TIME_MAX, "?");
        return text;
}

static int put_i64(Store *s, json_object *o, const char *key, const char *sql, Error *e) {
        int64_t v = 0;
        int r = sql_get_i64(s->db, sql, 0, &v, e);

        if (r >= 0)
                json_set_i64(o, key, v);
        return r;
}

static int put_rows(Store *s, json_object *o, Error *e) {
        json_object *rows = json_object_new_object();
        int r = 0;

        json_set(o, "rows", rows);
        for (size_t i = 0; r >= 0 && schema_tables[i]; i++) {
                char sql[80];

                snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", schema_tables[i]);
                r = put_i64(s, rows, schema_tables[i], sql, e);
        }
        return r;
}

/* {"batch": 3, …}: a name and a number a row. */
static int put_groups(Store *s, json_object *o, const char *key, const char *sql, Error *e) {
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        json_object *groups = json_object_new_object();
        int r;

        json_set(o, key, groups);
        r = sql_prepare(s->db, sql, &q, e);
        while (r >= 0 && (r = sql_step(q, e)) > 0)
                json_set_i64(groups, sql_text(q, 0), sqlite3_column_int64(q, 1));
        return r;
}

static int put_size(Store *s, json_object *o, Error *e) {
        StoreSize size = {0};
        int r = store_get_size(s, &size, e);

        json_set_i64(o, "bytes", (int64_t)(size.main + size.log));
        json_set_i64(o, "used_bytes", (int64_t)size.used);
        return r;
}

static int collect(Store *s, usec_t max_age, int64_t now, json_object *o, Error *e) {
        char sql[160];
        int r;

        json_set_text(o, "database", s->path);
        r = put_i64(s, o, "schema", "PRAGMA user_version", e);
        if (r >= 0)
                r = put_i64(s, o, "begin_usec", "SELECT min(at) FROM ticks", e);
        if (r >= 0)
                r = put_i64(s, o, "end_usec", "SELECT max(at) FROM ticks", e);
        if (r >= 0)
                r = put_size(s, o, e);
        if (r >= 0)
                r = put_rows(s, o, e);
        if (r >= 0)
                r = put_groups(s, o, "labels",
                               "SELECT coalesce(class, 'none'), count(*) FROM labels GROUP BY 1 "
                               "ORDER BY 1",
                               e);
        if (r >= 0)
                r = put_groups(s, o, "lost_ticks",
                               "SELECT why, sum(ticks) FROM losses GROUP BY 1 ORDER BY 1", e);
        if (r < 0)
                return r;
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM ticks WHERE at < %" PRId64,
                 now - (int64_t)max_age);
        return put_i64(s, o, "older_ticks", sql, e);
}

static int64_t get(json_object *o, const char *key) {
        json_object *value = NULL;

        return json_object_object_get_ex(o, key, &value) ? json_object_get_int64(value) : 0;
}

static void print_groups(json_object *o, const char *key, const char *title) {
        json_object *groups = NULL;

        if (!json_object_object_get_ex(o, key, &groups))
                return;
        printf("%-10s", title);
        if (json_object_object_length(groups) == 0)
                printf(" none");
        json_object_object_foreach(groups, name, value) {
                printf(" %s %" PRId64, name, json_object_get_int64(value));
        }
        putchar('\n');
}

static void print(json_object *o) {
        int64_t begin = get(o, "begin_usec"), end = get(o, "end_usec");
        char from[TIME_MAX], to[TIME_MAX];

        printf("%-10s %s, schema %" PRId64 "\n", "Data set",
               json_object_get_string(json_object_object_get(o, "database")), get(o, "schema"));
        if (end > 0)
                printf("%-10s %s to %s\n", "Span", format_time(from, begin), format_time(to, end));
        else
                printf("%-10s nothing is recorded yet\n", "Span");
        printf("%-10s %.1f MiB on disk, %.1f MiB in use\n", "Size",
               (double)get(o, "bytes") / (1 << 20), (double)get(o, "used_bytes") / (1 << 20));
        print_groups(o, "rows", "Rows");
        print_groups(o, "labels", "Labels");
        print_groups(o, "lost_ticks", "Lost");
        printf("%-10s %" PRId64 " ticks\n", "Too old", get(o, "older_ticks"));
}

static int run(const char *database, usec_t max_age, bool as_json, Error *e) {
        _cleanup_(store_closep)
        Store *s = NULL;
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return error_set(e, -ENOMEM, "out of memory");
        r = store_open_existing(database, /* writable= */ false, &s, e);
        if (r >= 0)
                r = collect(s, max_age, (int64_t)usec_now(CLOCK_REALTIME), o, e);
        if (r < 0)
                return r;
        if (as_json)
                return json_print(o);
        print(o);
        return 0;
}

int verb_info(int argc, char *argv[]) {
        static const struct option options[] = {
                {"database", required_argument, NULL, 'd'},
                {"max-age", required_argument, NULL, 'a'},
                {"json", no_argument, NULL, 'j'},
                {},
        };
        const char *database = database_default();
        usec_t max_age = STORE_AGE_DEFAULT;
        bool as_json = false;
        Error e = ERROR_INIT;
        int c;

        while ((c = getopt_long(argc, argv, "d:j", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        database = optarg;
                        break;
                case 'a':
                        if (parse_span("--max-age", optarg, &max_age, &e) < 0)
                                return usage_error("info", "%s", e.text);
                        break;
                case 'j':
                        as_json = true;
                        break;
                default:
                        return usage_error("info", "unknown option or missing value");
                }
        if (optind != argc)
                return usage_error("info", "takes no argument");
        return verb_finish("info", run(database, max_age, as_json, &e), &e);
}
