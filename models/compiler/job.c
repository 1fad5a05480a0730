/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/job.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>

#include "models/packet-field.h"
#include "util/io.h"

void job_done(Job *j) {
        model_file_done(&j->model);
        row_file_done(&j->rows);
        row_file_done(&j->calibration);
        for (size_t i = 0; j->names && i < j->n_fields; i++)
                free(j->names[i]);
        free(j->names);
        free(j->spec);
        free(j->packet_ids);
        free(j->program_name);
        program_free(j->program);
        *j = JOB_INIT;
}

/* ---- names ---- */

static bool is_identifier(const char *text) {
        static const char *const keywords[] = {
                "auto",    "break",  "case",     "char",   "const",    "continue", "default",
                "do",      "double", "else",     "enum",   "extern",   "float",    "for",
                "goto",    "if",     "inline",   "int",    "long",     "register", "restrict",
                "return",  "short",  "signed",   "sizeof", "static",   "struct",   "switch",
                "typedef", "union",  "unsigned", "void",   "volatile", "while",    "asm",
                "typeof",  "main",
        };

        if (!isalpha((unsigned char)text[0]))
                return false;
        for (const char *c = text; *c; c++)
                if (!isalnum((unsigned char)*c) && *c != '_')
                        return false;
        for (size_t i = 0; i < ELEMENTSOF(keywords); i++)
                if (streq(text, keywords[i]))
                        return false;
        return true;
}

#define NAME_MAX_CHARS 63

/* What stands before the first dot, in characters that may be. */
static void make_name(const char *file, const char *prefix, char ret[NAME_MAX_CHARS + 1]) {
        snprintf(ret, NAME_MAX_CHARS + 1, "%s%.*s", prefix,
                 MIN((int)strcspn(file, "."), NAME_MAX_CHARS - (int)strlen(prefix)), file);
        for (char *c = ret; *c; c++)
                if (!isalnum((unsigned char)*c))
                        *c = '_';
}

/* --name, else the spec's, else from the last part of OUT, else of the model's file. */
static int choose_name(Job *j, const CommandOptions *o, Error *e) {
        const char *path = o->output ?: o->model, *slash = strrchr(path, '/');
        const char *given = o->name ?: j->spec ? j->spec->name : NULL;
        char name[NAME_MAX_CHARS + 1];

        if (given) {
                if (!is_identifier(given) || strlen(given) > NAME_MAX_CHARS)
                        return error_set(e, -EINVAL,
                                         "'%.60s' cannot be the program's name: --name takes a C "
                                         "identifier of at most %d characters",
                                         given, NAME_MAX_CHARS);
                snprintf(name, sizeof(name), "%s", given);
        } else {
                make_name(slash ? slash + 1 : path, "", name);
                if (!is_identifier(name))
                        make_name(slash ? slash + 1 : path, "model_", name);
        }
        j->program_name = strdup(name);
        return j->program_name ? 0 : error_set(e, -ENOMEM, "out of memory");
}

/* The spec's, else the columns', where they can be members of a struct, else f0, f1 … */
static int name_fields(Job *j, const RowFile *rows, Error *e) {
        bool usable = rows->n_fields == j->n_fields;

        for (size_t i = 0; usable && i < j->n_fields; i++)
                usable = is_identifier(rows->names[i]);
        j->names = calloc(j->n_fields + 1, sizeof(*j->names));
        for (size_t i = 0; j->names && i < j->n_fields; i++)
                if (usable)
                        j->names[i] = strdup(rows->names[i]);
                else if (asprintf(&j->names[i], "f%zu", i) < 0)
                        j->names[i] = NULL;
        for (size_t i = 0; i < j->n_fields; i++)
                if (!j->names || !j->names[i])
                        return error_set(e, -ENOMEM, "out of memory");
        return 0;
}

/* ---- reading ---- */

static int read_spec(Job *j, const CommandOptions *o, Error *e) {
        _cleanup_free_
        char *text = NULL;
        Error inner = ERROR_INIT;
        size_t size;
        int r;

        j->target = o->target;
        if (!o->features)
                return 0;
        j->spec = calloc(1, sizeof(*j->spec));
        if (!j->spec)
                return error_set(e, -ENOMEM, "out of memory");
        r = io_read_all_at(AT_FDCWD, o->features, FEATURE_SPEC_SIZE_MAX, &text, &size);
        if (r >= 0)
                r = feature_spec_parse(text, size, j->spec, &inner);
        if (r < 0)
                return error_set(e, r, "%s: %.400s", o->features,
                                 inner.text[0] ? inner.text : strerror(-r));
        if (j->spec->has_target && !o->has_target)
                j->target = j->spec->target;
        return 0;
}

/* Names and, of packet fields, identifiers. The spec is as wide as the model. */
static int use_spec(Job *j, const CommandOptions *o, Error *e) {
        const FeatureSpec *spec = j->spec;
        Error inner = ERROR_INIT;
        int r = feature_spec_check_width(spec, j->n_fields, &inner);

        if (r < 0)
                return error_set(e, r, "%s: %.400s", o->model, inner.text);
        j->names = calloc(j->n_fields + 1, sizeof(*j->names));
        if (spec->table == FIELD_TABLE_PACKET)
                j->packet_ids = calloc(j->n_fields + 1, sizeof(*j->packet_ids));
        if (!j->names || (spec->table == FIELD_TABLE_PACKET && !j->packet_ids))
                return error_set(e, -ENOMEM, "out of memory");
        for (size_t i = 0; i < j->n_fields; i++) {
                j->names[i] = strdup(feature_spec_field_name(spec, i));
                if (!j->names[i])
                        return error_set(e, -ENOMEM, "out of memory");
                if (j->packet_ids)
                        j->packet_ids[i] = packet_field_table[spec->fields[i]].id;
        }
        return 0;
}

static int read_rows(Job *j, const CommandOptions *o, Error *e) {
        const char *const *names = (const char *const *)j->names;
        int r = 0;

        if (o->rows)
                r = row_file_read_path(&j->rows, o->rows, names, j->n_fields, e);
        if (r >= 0 && o->calibrate)
                r = row_file_read_path(&j->calibration, o->calibrate, names, j->n_fields, e);
        if (r < 0)
                return r;
        for (int k = 0; k < 2; k++) {
                const RowFile *f = k == 0 ? &j->rows : &j->calibration;

                if (f->n_rows > 0 && f->n_fields != j->n_fields)
                        return error_set(e, -EINVAL,
                                         "%s: %zu columns, but the model takes %zu numbers (the "
                                         "features of --features choose columns by name)",
                                         k == 0 ? o->rows : o->calibrate, f->n_fields, j->n_fields);
        }
        return 0;
}

static void set_options(Job *j, const CommandOptions *o) {
        const RowFile *rows = j->calibration.n_rows > 0 ? &j->calibration : &j->rows;

        j->compile = COMPILE_OPTIONS_INIT;
        j->compile.name = j->program_name;
        j->compile.precision = o->precision;
        j->compile.threshold = o->threshold;
        j->compile.values = o->values;
        j->compile.field_ranges = j->spec ? j->spec->ranges : NULL;
        if (!isnan(o->agreement_min))
                j->compile.agreement_min = o->agreement_min;
        j->compile.force = o->force;
        if (rows->n_rows == 0)
                return;
        j->calibration_rows = (CalibrationRows){
                .n_rows = rows->n_rows,
                .n_fields = rows->n_fields,
                .rows = rows->rows,
        };
        j->compile.calibration = &j->calibration_rows;
}

#define HINT_SIZE 200

/* The first number that no packet has: such rows are taken for others in the kernel, and say
 * nothing of how well it decides. */
static void find_impossible(const Job *j, char ret[HINT_SIZE]) {
        const CalibrationRows *rows = &j->calibration_rows;

        ret[0] = '\0';
        if (!j->spec || !j->packet_ids)
                return;
        for (size_t i = 0; i < rows->n_rows * rows->n_fields; i++) {
                size_t k = i % rows->n_fields;
                uint32_t max = packet_field_table[j->spec->fields[k]].max;

                if (rows->rows[i] <= max)
                        continue;
                snprintf(ret, HINT_SIZE,
                         "; in row %zu to calibrate with %s is %" PRIu32
                         ", of a packet it is at most %" PRIu32,
                         i / rows->n_fields + 1, j->names[k], rows->rows[i], max);
                return;
        }
}

int job_compile(Job *j, const CommandOptions *o, Error *e) {
        char hint[HINT_SIZE] = "";
        Error inner = ERROR_INIT;
        int r;

        *j = JOB_INIT;
        r = read_spec(j, o, e);
        if (r >= 0)
                r = choose_name(j, o, e);
        if (r >= 0)
                r = model_file_read(&j->model, o->model, o->weights, e);
        if (r < 0)
                return r;
        r = compile_count_fields(j->model.graph, &j->n_fields, &inner);
        if (r < 0)
                return error_set(e, r, "%s: %.400s", o->model, inner.text);
        r = j->spec ? use_spec(j, o, e) : 0;
        if (r >= 0)
                r = read_rows(j, o, e);
        if (r >= 0 && !j->names)
                r = name_fields(j, j->rows.n_rows > 0 ? &j->rows : &j->calibration, e);
        if (r < 0)
                return r;
        set_options(j, o);
        r = compile_graph(j->model.graph, &j->compile, &j->program, &j->report, &inner);
        if (r >= 0)
                return 0;
        find_impossible(j, hint);
        return error_set(e, r, "%s: %.400s%s", o->model, inner.text, hint);
}

/* ---- what came of it ---- */

double job_agreement_min(const Job *j, const CommandOptions *o) {
        if (o->force)
                return 0;
        if (!isnan(o->agreement_min))
                return o->agreement_min;
        return j->program->trees_only ? 1.0 : 0.995;
}

double job_agreement(const Job *j) {
        return j->report.agreement[j->program->precision];
}
