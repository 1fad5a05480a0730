/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-record export: the tables joined on time, as rows. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "models/train/extract.h"
#include "record/export-internal.h"
#include "record/json.h"
#include "record/parse.h"
#include "record/schema.h"
#include "record/verbs.h"

#define COLUMNS_MAX 160
#define HORIZON_MAX (60 * USEC_PER_SEC)
#define TOLERANCE_FALLBACK (2 * USEC_PER_SEC)

/* Running mean and deviation (Welford) of each feature, over the rows that a network learns from.
 */
typedef struct Standard {
        double mean[FEATURE_COUNT], sum[FEATURE_COUNT], deviation[FEATURE_COUNT];
        uint64_t n;
} Standard;

typedef struct Out {
        const ExportOptions *options;
        Standard standard;
        Sheet *sheet;
        uint64_t n;
} Out;

static bool is_dormant(const Cell *cells) {
        return cells[export_first_feature() - 1].integer != 0;
}

static int on_row_measure(void *userdata, const Cell *cells, Error *e) {
        Standard *s = &((Out *)userdata)->standard;
        const Cell *features = cells + export_first_feature();

        if (is_dormant(cells))
                return 0;
        s->n++;
        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                double delta = features[i].number - s->mean[i];

                s->mean[i] += delta / (double)s->n;
                s->sum[i] += delta * (features[i].number - s->mean[i]);
        }
        return 0;
}

/* What never varies is left as it is. */
static void standard_finish(Standard *s) {
        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                double deviation = s->n > 1 ? sqrt(s->sum[i] / (double)s->n) : 0;

                s->deviation[i] = deviation > 1e-9 ? deviation : 1;
        }
}

static int on_row(void *userdata, const Cell *cells, Error *e) {
        Out *out = userdata;
        const Standard *s = &out->standard;
        Cell copy[COLUMNS_MAX];
        Cell *features = copy + export_first_feature();

        out->n++;
        if (!out->options->standardise || is_dormant(cells))
                return sheet_put(out->sheet, cells, e);
        memcpy(copy, cells, 128 * sizeof(*cells));
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                features[i].number = (features[i].number - s->mean[i]) / s->deviation[i];
        return sheet_put(out->sheet, copy, e);
}

/* ---- what is told about the rows ---- */

static json_object *features_to_json(const Out *out) {
        json_object *list = json_object_new_array();

        for (size_t i = 0; i < FEATURE_COUNT; i++) {
                json_object *o = json_object_new_object();

                json_set_text(o, "name", feature_table[i].name);
                json_set_text(o, "unit", feature_table[i].unit);
                if (out->options->standardise) {
                        json_set(o, "mean", json_object_new_double(out->standard.mean[i]));
                        json_set(o, "deviation",
                                 json_object_new_double(out->standard.deviation[i]));
                }
                (void)json_object_array_add(list, o);
        }
        return list;
}

static json_object *meta_to_json(const Out *out, usec_t tolerance) {
        const ExportOptions *o = out->options;
        json_object *meta = json_object_new_object();
        char schema[24];

        snprintf(schema, sizeof(schema), "0x%016" PRIx64, feature_schema_hash());
        json_set_text(meta, "database", o->database);
        json_set_text(meta, "kind", o->raw ? "counters" : "features");
        json_set_i64(meta, "rows", (int64_t)out->n);
        if (o->since != INT64_MIN)
                json_set_i64(meta, "since_usec", o->since);
        if (o->until != INT64_MAX)
                json_set_i64(meta, "until_usec", o->until);
        json_set_i64(meta, "tolerance_usec", (int64_t)tolerance);
        if (o->raw)
                return meta;
        json_set_text(meta, "schema", schema);
        json_set_i64(meta, "horizon_usec", (int64_t)o->horizon);
        json_set(meta, "standardised", json_object_new_boolean(o->standardise));
        json_set(meta, "features", features_to_json(out));
        return meta;
}

/* ---- */

/* Two intervals: of the distances between ticks the one in the middle. */
static int choose_tolerance(const ExportOptions *o, Store *store, usec_t *ret, Error *e) {
        int64_t middle = 0;
        int r;

        if (o->tolerance > 0) {
                *ret = o->tolerance;
                return 0;
        }
        r = sql_get_i64(
                store->db,
                "WITH d AS (SELECT at - lag(at) OVER (ORDER BY tick) AS d FROM (SELECT "
                "tick, at FROM ticks ORDER BY tick DESC LIMIT 10000)) SELECT d FROM d WHERE "
                "d > 0 ORDER BY d LIMIT 1 OFFSET (SELECT count(*) / 2 FROM d WHERE d > 0)",
                0, &middle, e);
        if (r >= 0)
                *ret = middle > 0 ? 2 * (usec_t)middle : TOLERANCE_FALLBACK;
        return r;
}

static int pass(const ExportOptions *o, Store *store, usec_t tolerance, ExportEmit emit, Out *out,
                Error *e) {
        _cleanup_(context_done)
        Context context = {0};
        int r;

        r = context_init(&context, store, tolerance, e);
        if (r < 0)
                return r;
        return o->raw ? export_raw(o, store, &context, emit, out, e)
                      : export_features(o, store, &context, emit, out, e);
}

static int export_rows(const ExportOptions *o, Store *store, Out *out, Error *e) {
        const char *columns[COLUMNS_MAX];
        _cleanup_json_ json_object *meta = NULL;
        usec_t tolerance = 0;
        size_t n;
        int r;

        n = o->raw ? export_raw_columns(columns) : export_features_columns(columns);
        for (size_t i = 0; o->context && i < n_context_columns; i++)
                columns[n++] = context_columns[i];
        /* One state of the data, however long it takes and however often it is read. */
        r = sql_run(store->db, "BEGIN", e);
        if (r >= 0)
                r = choose_tolerance(o, store, &tolerance, e);
        if (r >= 0)
                r = sheet_new(o->output, o->format, columns, n, &out->sheet, e);
        if (r >= 0 && o->standardise) {
                r = pass(o, store, tolerance, on_row_measure, out, e);
                standard_finish(&out->standard);
        }
        if (r >= 0)
                r = pass(o, store, tolerance, on_row, out, e);
        if (r < 0)
                return r;
        meta = meta_to_json(out, tolerance);
        if (!meta)
                return error_set(e, -ENOMEM, "out of memory");
        return sheet_finish(out->sheet,
                            json_object_to_json_string_ext(
                                    meta, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE),
                            e);
}

static int run(const ExportOptions *o, Error *e) {
        _cleanup_(store_closep)
        Store *store = NULL;
        Out out = {.options = o};
        int r;

        r = store_open_existing(o->database, /* writable= */ false, &store, e);
        if (r >= 0)
                r = export_rows(o, store, &out, e);
        sheet_free(out.sheet);
        if (r < 0)
                return r;
        if (out.n == 0)
                fprintf(stderr,
                        "aikm-record export: no rows: nothing was recorded for long enough%s\n",
                        o->label_required ? ", or labelled ('aikmctl dataset label')" : "");
        else if (!streq(o->output, "-"))
                fprintf(stderr, "%" PRIu64 " rows in %s\n", out.n, o->output);
        return 0;
}

enum {
        OPTION_SINCE = 256,
        OPTION_UNTIL,
        OPTION_TOLERANCE,
        OPTION_HORIZON,
        OPTION_RAW,
        OPTION_STANDARDISE,
        OPTION_CONTEXT,
        OPTION_LABEL_REQUIRED,
        OPTION_FORMAT
};

static int parse_format(const char *text, SheetFormat *ret, Error *e) {
        if (!streq(text, "csv") && !streq(text, "sqlite"))
                return error_set(e, -EINVAL, "--format: '%.40s' is neither csv nor sqlite", text);
        *ret = streq(text, "csv") ? SHEET_CSV : SHEET_SQLITE;
        return 0;
}

static int parse(int argc, char *argv[], ExportOptions *o, Error *e) {
        static const struct option options[] = {
                {"database", required_argument, NULL, 'd'},
                {"output", required_argument, NULL, 'o'},
                {"format", required_argument, NULL, OPTION_FORMAT},
                {"since", required_argument, NULL, OPTION_SINCE},
                {"until", required_argument, NULL, OPTION_UNTIL},
                {"tolerance", required_argument, NULL, OPTION_TOLERANCE},
                {"horizon", required_argument, NULL, OPTION_HORIZON},
                {"raw", no_argument, NULL, OPTION_RAW},
                {"standardise", no_argument, NULL, OPTION_STANDARDISE},
                {"context", no_argument, NULL, OPTION_CONTEXT},
                {"label-required", no_argument, NULL, OPTION_LABEL_REQUIRED},
                {},
        };
        int64_t now = (int64_t)usec_now(CLOCK_REALTIME);
        int c, r = 0;

        while (r >= 0 && (c = getopt_long(argc, argv, "d:o:", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        o->database = optarg;
                        break;
                case 'o':
                        o->output = optarg;
                        break;
                case OPTION_FORMAT:
                        r = parse_format(optarg, &o->format, e);
                        break;
                case OPTION_SINCE:
                        r = parse_when("--since", optarg, now, &o->since, e);
                        break;
                case OPTION_UNTIL:
                        r = parse_when("--until", optarg, now, &o->until, e);
                        break;
                case OPTION_TOLERANCE:
                        r = parse_span("--tolerance", optarg, &o->tolerance, e);
                        break;
                case OPTION_HORIZON:
                        r = parse_span("--horizon", optarg, &o->horizon, e);
                        if (r >= 0 && (o->horizon < USEC_PER_SEC || o->horizon > HORIZON_MAX))
                                r = error_set(e, -EINVAL, "--horizon: %s is not within 1s and 60s",
                                              optarg);
                        break;
                case OPTION_RAW:
                        o->raw = true;
                        break;
                case OPTION_STANDARDISE:
                        o->standardise = true;
                        break;
                case OPTION_CONTEXT:
                        o->context = true;
                        break;
                case OPTION_LABEL_REQUIRED:
                        o->label_required = true;
                        break;
                default:
                        r = error_set(e, -EINVAL, "unknown option or missing value");
                        break;
                }
        if (r >= 0 && optind != argc)
                r = error_set(e, -EINVAL, "takes no argument; -o names the file");
        if (r >= 0 && o->format == SHEET_SQLITE && streq(o->output, "-"))
                r = error_set(e, -EINVAL, "--format sqlite needs -o FILE");
        if (r >= 0 && o->raw && o->standardise)
                r = error_set(e, -EINVAL, "--raw and --standardise exclude each other");
        if (r >= 0 && o->since > o->until)
                r = error_set(e, -EINVAL, "--since is after --until");
        o->context = o->context || o->raw || o->format == SHEET_SQLITE;
        return r;
}

int verb_export(int argc, char *argv[]) {
        ExportOptions o = {
                .database = database_default(),
                .output = "-",
                .since = INT64_MIN,
                .until = INT64_MAX,
                .horizon = EXTRACT_HORIZON,
        };
        Error e = ERROR_INIT;

        if (parse(argc, argv, &o, &e) < 0)
                return usage_error("export", "%s", e.text);
        return verb_finish("export", run(&o, &e), &e);
}
