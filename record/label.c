/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-record label: says of which class processes are, lists what was said, takes it back. */

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>

#include "policy/class.h"
#include "record/json.h"
#include "record/label.h"
#include "record/parse.h"
#include "record/verbs.h"
#include "util/io.h"

enum {
        OPTION_CLASS = 256,
        OPTION_COMM,
        OPTION_EXE,
        OPTION_PID,
        OPTION_PROGRAM,
        OPTION_SINCE,
        OPTION_UNTIL,
        OPTION_NOTE,
        OPTION_LIST,
        OPTION_REMOVE
};

typedef struct LabelOptions {
        const char *database;
        NewLabel label;
        int64_t remove; /* 0: none */
        bool list, as_json;
} LabelOptions;

int label_check(const NewLabel *l, const char *where, Error *e) {
        if (!l->load_class)
                return error_set(e, -EINVAL, "%sneeds a class", where);
        if (class_from_string(l->load_class) < 0 && !streq(l->load_class, "none"))
                return error_set(e, -EINVAL,
                                 "%sclass '%.40s' is not one of idle, interactive, server, batch, "
                                 "io, memory, none",
                                 where, l->load_class);
        if (!l->comm && !l->exe && l->pid == 0)
                return error_set(e, -EINVAL,
                                 "%sneeds a name (comm), an executable (exe) or a pid: whose class "
                                 "is it?",
                                 where);
        if (l->program && !program_name_is_valid(l->program))
                return error_set(e, -EINVAL,
                                 "%sprogram '%.60s' is not a name of letters, digits and '._+-'",
                                 where, l->program);
        if (l->since > l->until)
                return error_set(e, -EINVAL, "%sbegins after it ends", where);
        /* Of a pid something is known of a time alone: it is another process's tomorrow. */
        if (l->pid > 0 && !l->comm && !l->exe && l->since == INT64_MIN)
                return error_set(e, -EINVAL,
                                 "%sa pid alone needs a beginning (since): it belongs to many "
                                 "processes, one after the other",
                                 where);
        return 0;
}

static void bind_text(sqlite3_stmt *q, int column, const char *text) {
        if (text)
                sqlite3_bind_text(q, column, text, -1, SQLITE_STATIC);
}

int label_insert(Store *store, const NewLabel *l, int64_t now, int64_t *ret_id, Error *e) {
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r;

        r = sql_prepare(store->db,
                        "INSERT INTO labels(class, program, comm, exe, pid, since, until, by, "
                        "made, note) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                        &q, e);
        if (r < 0)
                return r;
        if (!streq(l->load_class, "none"))
                bind_text(q, 1, l->load_class);
        bind_text(q, 2, l->program);
        bind_text(q, 3, l->comm);
        bind_text(q, 4, l->exe);
        if (l->pid > 0)
                sqlite3_bind_int64(q, 5, l->pid);
        if (l->since != INT64_MIN)
                sqlite3_bind_int64(q, 6, l->since);
        if (l->until != INT64_MAX)
                sqlite3_bind_int64(q, 7, l->until);
        bind_text(q, 8, l->by);
        sqlite3_bind_int64(q, 9, now);
        bind_text(q, 10, l->note);
        r = sql_finish(q, e);
        if (r >= 0 && ret_id)
                *ret_id = sqlite3_last_insert_rowid(store->db);
        return r;
}

/* Who says it: the user behind sudo, where there is one. */
void label_author(char *ret, size_t size) {
        const char *name = secure_getenv("SUDO_USER");
        struct passwd entry, *found = NULL;
        char buffer[4096];

        if (!name && getpwuid_r(getuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found)
                name = found->pw_name;
        if (name)
                snprintf(ret, size, "%s", name);
        else
                snprintf(ret, size, "%u", getuid());
}

static int remove_label(Store *store, int64_t id, Error *e) {
        char sql[80];
        int r;

        snprintf(sql, sizeof(sql), "DELETE FROM labels WHERE label = %" PRId64, id);
        r = sql_run(store->db, sql, e);
        if (r >= 0 && sqlite3_changes(store->db) == 0)
                return error_set(e, -ENOENT, "there is no label %" PRId64, id);
        return r;
}

static void put_cell(json_object *o, sqlite3_stmt *q, int column, const char *key) {
        switch (sqlite3_column_type(q, column)) {
        case SQLITE_NULL:
                break;
        case SQLITE_INTEGER:
                json_set_i64(o, key, sqlite3_column_int64(q, column));
                break;
        default:
                json_set_text(o, key, sql_text(q, column));
                break;
        }
}

static int list(Store *store, bool as_json, Error *e) {
        static const char *const keys[] = {"label", "class",     "program",    "comm",
                                           "exe",   "pid",       "since_usec", "until_usec",
                                           "by",    "made_usec", "note"};
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        _cleanup_json_ json_object *all = json_object_new_array();
        int r;

        r = sql_prepare(store->db,
                        "SELECT label, coalesce(class, 'none'), program, comm, exe, pid, since, "
                        "until, by, made, note FROM labels ORDER BY label",
                        &q, e);
        while (r >= 0 && (r = sql_step(q, e)) > 0) {
                json_object *o = json_object_new_object();

                for (int i = 0; i < (int)ELEMENTSOF(keys); i++)
                        put_cell(o, q, i, keys[i]);
                (void)json_object_array_add(all, o);
        }
        if (r < 0)
                return r;
        if (as_json)
                return json_print(all);
        for (size_t i = 0; i < json_object_array_length(all); i++) {
                json_object *o = json_object_array_get_idx(all, i);
                const char *gap = "";

                json_object_object_foreach(o, key, value) {
                        printf("%s%s %s", gap, key, json_object_get_string(value));
                        gap = ", ";
                }
                putchar('\n');
        }
        return 0;
}

static int perform(const LabelOptions *o, Error *e) {
        _cleanup_(store_closep)
        Store *store = NULL;
        int64_t id = 0;
        int r;

        r = store_open_existing(o->database, /* writable= */ !o->list, &store, e);
        if (r < 0)
                return r;
        if (o->list)
                return list(store, o->as_json, e);
        if (o->remove > 0)
                return remove_label(store, o->remove, e);
        r = label_insert(store, &o->label, (int64_t)usec_now(CLOCK_REALTIME), &id, e);
        if (r < 0)
                return r;
        if (o->as_json)
                printf("{ \"label\": %" PRId64 " }\n", id);
        else
                printf("label %" PRId64 "\n", id);
        return 0;
}

static int parse(int argc, char *argv[], LabelOptions *o, Error *e) {
        static const struct option options[] = {
                {"database", required_argument, NULL, 'd'},
                {"json", no_argument, NULL, 'j'},
                {"class", required_argument, NULL, OPTION_CLASS},
                {"comm", required_argument, NULL, OPTION_COMM},
                {"exe", required_argument, NULL, OPTION_EXE},
                {"pid", required_argument, NULL, OPTION_PID},
                {"program", required_argument, NULL, OPTION_PROGRAM},
                {"since", required_argument, NULL, OPTION_SINCE},
                {"until", required_argument, NULL, OPTION_UNTIL},
                {"note", required_argument, NULL, OPTION_NOTE},
                {"list", no_argument, NULL, OPTION_LIST},
                {"remove", required_argument, NULL, OPTION_REMOVE},
                {},
        };
        int64_t now = (int64_t)usec_now(CLOCK_REALTIME);
        uint64_t number = 0;
        int c, r = 0;

        while (r >= 0 && (c = getopt_long(argc, argv, "d:j", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        o->database = optarg;
                        break;
                case 'j':
                        o->as_json = true;
                        break;
                case OPTION_CLASS:
                        o->label.load_class = optarg;
                        break;
                case OPTION_COMM:
                        o->label.comm = optarg;
                        break;
                case OPTION_EXE:
                        o->label.exe = optarg;
                        break;
                case OPTION_PID:
                        if (parse_u64(optarg, 1, INT32_MAX, &number) < 0)
                                r = error_set(e, -EINVAL, "--pid: '%.40s' is no pid", optarg);
                        o->label.pid = (pid_t)number;
                        break;
                case OPTION_PROGRAM:
                        o->label.program = optarg;
                        break;
                case OPTION_SINCE:
                        r = parse_when("--since", optarg, now, &o->label.since, e);
                        break;
                case OPTION_UNTIL:
                        r = parse_when("--until", optarg, now, &o->label.until, e);
                        break;
                case OPTION_NOTE:
                        o->label.note = optarg;
                        break;
                case OPTION_LIST:
                        o->list = true;
                        break;
                case OPTION_REMOVE:
                        if (parse_u64(optarg, 1, INT64_MAX, &number) < 0)
                                r = error_set(e, -EINVAL,
                                              "--remove: '%.40s' is no number of a label; --list "
                                              "shows them",
                                              optarg);
                        o->remove = (int64_t)number;
                        break;
                default:
                        r = error_set(e, -EINVAL, "unknown option or missing value");
                        break;
                }
        if (r >= 0 && optind != argc)
                r = error_set(e, -EINVAL, "takes no argument");
        if (r >= 0 && o->list + (o->remove > 0) + (o->label.load_class != NULL) != 1)
                r = error_set(e, -EINVAL, "needs one of --class, --list and --remove");
        if (r >= 0 && o->label.load_class)
                r = label_check(&o->label, "a label ", e);
        return r;
}

int verb_label(int argc, char *argv[]) {
        char author[64];
        LabelOptions o = {
                .database = database_default(),
                .label = {.since = INT64_MIN, .until = INT64_MAX, .by = author},
        };
        Error e = ERROR_INIT;

        if (parse(argc, argv, &o, &e) < 0)
                return usage_error("label", "%s", e.text);
        label_author(author, sizeof(author));
        return verb_finish("label", perform(&o, &e), &e);
}
