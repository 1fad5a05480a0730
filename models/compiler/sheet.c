/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/sheet.h"

#include <inttypes.h>
#include <math.h>
#include <sys/utsname.h>

#include "models/operator.h"

#define SHEET_FORMAT 1

void sheet_set(json_object *o, const char *key, json_object *value) {
        (void)json_object_object_add(o, key, value);
}

json_object *sheet_number(double d) {
        char text[32];

        if (!isfinite(d))
                return NULL;
        snprintf(text, sizeof(text), "%.6g", d);
        return json_object_new_double_s(d, text);
}

static json_object *text_of(const char *text) {
        return json_object_new_string(text);
}

static json_object *integer_of(int64_t i) {
        return json_object_new_int64(i);
}

static json_object *interval_of(Interval v) {
        json_object *a = json_object_new_array();

        json_object_array_add(a, integer_of(v.low));
        json_object_array_add(a, integer_of(v.high));
        return a;
}

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static json_object *source_of(const ModelFile *m) {
        json_object *o = json_object_new_object();

        sheet_set(o, "file", text_of(base_name(m->path)));
        sheet_set(o, "sha256", text_of(m->digest));
        if (m->weights) {
                sheet_set(o, "weights_file", text_of(base_name(m->weights)));
                sheet_set(o, "weights_sha256", text_of(m->weights_digest));
        }
        return o;
}

/* Each operator once, in the order in which it is met. */
static json_object *operators_of(const Graph *g) {
        json_object *a = json_object_new_array();

        for (size_t i = 0; i < g->n_nodes; i++) {
                bool seen = false;

                for (size_t k = 0; k < i && !seen; k++)
                        seen = g->nodes[k].op == g->nodes[i].op;
                if (!seen)
                        json_object_array_add(a, text_of(g->nodes[i].op->name));
        }
        return a;
}

static json_object *fields_of(const Job *j) {
        json_object *a = json_object_new_array();

        for (size_t i = 0; i < j->n_fields; i++) {
                const FieldQuant *q = &j->program->fields[i];
                json_object *o = json_object_new_object();

                sheet_set(o, "name", text_of(j->names[i]));
                if (j->packet_ids)
                        sheet_set(o, "packet_field", text_of(j->packet_ids[i]));
                sheet_set(o, "low", integer_of(q->low));
                sheet_set(o, "high", integer_of(q->high));
                json_object_array_add(a, o);
        }
        return a;
}

static json_object *labels_of(const Program *p) {
        static const size_t two = 2;
        size_t n = p->decision == DECISION_ARGMAX      ? p->n_outputs
                   : p->decision == DECISION_THRESHOLD ? two
                                                       : 0;
        json_object *a = json_object_new_array();

        for (size_t i = 0; i < n; i++)
                json_object_array_add(a, p->label_names[i][0] ? text_of(p->label_names[i])
                                                              : integer_of(p->labels[i]));
        return a;
}

static json_object *decision_of(const Program *p) {
        static const char *const names[] = {
                [DECISION_ARGMAX] = "argmax",
                [DECISION_THRESHOLD] = "threshold",
                [DECISION_VALUE] = "value",
        };
        json_object *o = json_object_new_object();

        sheet_set(o, "kind", text_of(names[p->decision]));
        if (p->decision == DECISION_THRESHOLD)
                sheet_set(o, "threshold", integer_of(p->threshold));
        sheet_set(o, "outputs", integer_of((int64_t)p->n_outputs));
        sheet_set(o, "output_scale", sheet_number(p->output_scale));
        sheet_set(o, "output_offset", sheet_number(p->output_offset));
        sheet_set(o, "labels", labels_of(p));
        return o;
}

static json_object *steps_of(const Program *p) {
        json_object *a = json_object_new_array();

        for (size_t i = 0; i < p->n_steps; i++) {
                const Step *s = &p->steps[i];
                json_object *o = json_object_new_object();
                Interval all = s->outputs[0];

                for (size_t k = 1; k < s->n_outputs; k++) {
                        all.low = MIN(all.low, s->outputs[k].low);
                        all.high = MAX(all.high, s->outputs[k].high);
                }
                sheet_set(o, "name", text_of(s->name));
                sheet_set(o, "kind", text_of(step_kind_name(s->kind)));
                sheet_set(o, "inputs", integer_of((int64_t)s->n_inputs));
                sheet_set(o, "outputs", integer_of((int64_t)s->n_outputs));
                sheet_set(o, "range", interval_of(all));
                if (s->kind == STEP_AFFINE || s->kind == STEP_SUM || s->kind == STEP_TREES)
                        sheet_set(o, "sums", interval_of(s->accumulator));
                if (s->kind == STEP_TREES)
                        sheet_set(o, "trees", integer_of((int64_t)s->n_trees));
                json_object_array_add(a, o);
        }
        return a;
}

/* Weights, biases, tables and trees as the program has them: four bytes a number. */
static int64_t constants_of(const Program *p) {
        size_t n = 0;

        for (size_t i = 0; i < p->n_steps; i++) {
                const Step *s = &p->steps[i];

                if (s->kind == STEP_AFFINE)
                        n += s->n_outputs * (s->n_inputs + 1);
                if (s->kind == STEP_SUM)
                        n += s->n_inputs + s->n_outputs;
                n += s->n_table;
                for (size_t t = 0; t < s->n_trees; t++)
                        n += 3 * s->trees[t].n_nodes + s->trees[t].n_leaves * s->n_outputs;
        }
        return (int64_t)(4 * n);
}

static json_object *kernel_of(const SheetKernel *k) {
        json_object *o = json_object_new_object();
        struct utsname name;

        if (uname(&name) >= 0)
                sheet_set(o, "release", text_of(name.release));
        if (!k->loaded) {
                sheet_set(o, "refused", text_of(k->refusal.text));
                return o;
        }
        sheet_set(o, "verified_instructions", integer_of(k->size.verified));
        sheet_set(o, "instructions", integer_of(k->size.instructions));
        sheet_set(o, "jit_bytes", integer_of(k->size.jit_bytes));
        if (k->timed) {
                sheet_set(o, "ns_per_inference", sheet_number(k->time.run));
                sheet_set(o, "ns_above_empty", sheet_number(k->time.gross));
        }
        return o;
}

json_object *sheet_new(const Job *j, Target target, const SheetKernel *kernel) {
        const Program *p = j->program;
        json_object *o = json_object_new_object();

        if (!o)
                return NULL;
        sheet_set(o, "sheet", integer_of(SHEET_FORMAT));
        sheet_set(o, "name", text_of(p->name));
        sheet_set(o, "compiler", text_of(AIKM_VERSION));
        sheet_set(o, "target", text_of(target_name(target)));
        sheet_set(o, "source", source_of(&j->model));
        sheet_set(o, "operators", operators_of(j->model.graph));
        sheet_set(o, "precision", text_of(p->trees_only ? "exact" : precision_name(p->precision)));
        sheet_set(o, "agreement", sheet_number(job_agreement(j)));
        sheet_set(o, "agreement_rows", integer_of((int64_t)j->report.rows));
        sheet_set(o, "agreement_bound", sheet_number(j->report.agreement_bound));
        sheet_set(o, "error_max", sheet_number(j->report.error_max));
        sheet_set(o, "fields", fields_of(j));
        sheet_set(o, "decision", decision_of(p));
        sheet_set(o, "steps", steps_of(p));
        sheet_set(o, "cells", integer_of((int64_t)p->n_cells));
        sheet_set(o, "constant_bytes", integer_of(constants_of(p)));
        sheet_set(o, "multiplications", integer_of((int64_t)j->report.multiplications));
        if (kernel)
                sheet_set(o, "kernel", kernel_of(kernel));
        return o;
}

/* ---- for people ---- */

static json_object *member(json_object *o, const char *key) {
        json_object *value = NULL;

        return o && json_object_object_get_ex(o, key, &value) ? value : NULL;
}

/* "key: value", where there is one. */
static void print_member(FILE *f, json_object *o, const char *key, const char *words) {
        json_object *value = member(o, key);

        if (!value)
                return;
        fprintf(f, "%-16s ", words);
        if (json_object_is_type(value, json_type_array))
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        fprintf(f, "%s%s", i > 0 ? ", " : "",
                                json_object_get_string(json_object_array_get_idx(value, i)));
        else
                fputs(json_object_get_string(value), f);
        fputc('\n', f);
}

static const char *text_in(json_object *o, const char *key) {
        json_object *value = member(o, key);

        return value ? json_object_get_string(value) : "?";
}

static void print_fields(FILE *f, json_object *fields) {
        for (size_t i = 0; fields && i < json_object_array_length(fields); i++) {
                json_object *o = json_object_array_get_idx(fields, i);

                fprintf(f, "  %-30s %s … %s\n", text_in(o, "name"), text_in(o, "low"),
                        text_in(o, "high"));
        }
}

static void print_steps(FILE *f, json_object *steps) {
        for (size_t i = 0; steps && i < json_object_array_length(steps); i++) {
                json_object *o = json_object_array_get_idx(steps, i);

                fprintf(f, "  %-10s %-30s %s → %s in %s\n", text_in(o, "kind"), text_in(o, "name"),
                        text_in(o, "inputs"), text_in(o, "outputs"), text_in(o, "range"));
        }
}

void sheet_print(json_object *sheet, FILE *f) {
        static const char *const keys[][2] = {
                {"name", "name"},
                {"target", "target"},
                {"operators", "operators"},
                {"precision", "precision"},
                {"agreement", "agreement"},
                {"agreement_rows", "  of rows"},
                {"agreement_bound", "  at least"},
                {"error_max", "largest error"},
                {"multiplications", "multiplications"},
                {"constant_bytes", "constants, bytes"},
        };
        static const char *const kernel_keys[][2] = {
                {"release", "kernel"},
                {"refused", "  refused"},
                {"verified_instructions", "  verified"},
                {"instructions", "  instructions"},
                {"jit_bytes", "  JIT bytes"},
                {"ns_per_inference", "  ns"},
        };
        json_object *kernel = member(sheet, "kernel");

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                print_member(f, sheet, keys[i][0], keys[i][1]);
        print_member(f, member(sheet, "source"), "file", "source");
        print_member(f, member(sheet, "decision"), "kind", "decision");
        print_member(f, member(sheet, "decision"), "labels", "  labels");
        for (size_t i = 0; i < ELEMENTSOF(kernel_keys); i++)
                print_member(f, kernel, kernel_keys[i][0], kernel_keys[i][1]);
        fputs("fields\n", f);
        print_fields(f, member(sheet, "fields"));
        fputs("steps\n", f);
        print_steps(f, member(sheet, "steps"));
}
