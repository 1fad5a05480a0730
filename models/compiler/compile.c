/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/compiler/compile.h"

#include "models/compiler/choose.h"
#include "models/compiler/lower.h"

/* Sizes that the program has no room for, told before the work. */
static int check_sizes(const Cells *c, const Groups *groups, Error *e) {
        size_t cells = c->n_fields;

        for (size_t i = 0; i < groups->n; i++)
                cells += groups->groups[i].n_outputs;
        if (cells > PROGRAM_CELLS_MAX)
                return error_set(e, -ENOTSUP, "%zu numbers in one inference: accepted is %d", cells,
                                 PROGRAM_CELLS_MAX);
        if (groups->n > PROGRAM_STEPS_MAX)
                return error_set(e, -ENOTSUP, "%zu steps: accepted is %d", groups->n,
                                 PROGRAM_STEPS_MAX);
        return 0;
}

int compile_count_fields(const Graph *g, size_t *ret, Error *e) {
        size_t n;
        int r;

        r = lower_count_fields(g, &n, e);
        if (r < 0)
                return r;
        if (n == 0 || n > PROGRAM_FIELDS_MAX)
                return error_set(e, -ENOTSUP, "%zu inputs: accepted is 1 to %d", n,
                                 PROGRAM_FIELDS_MAX);
        *ret = n;
        return 0;
}

static int check_width(const Graph *g, const CalibrationRows *rows, Error *e) {
        size_t n = 0;
        int r;

        r = compile_count_fields(g, &n, e);
        if (r < 0)
                return r;
        if (rows && rows->n_fields != n)
                return error_set(e, -EINVAL,
                                 "the model takes %zu numbers, the calibration rows "
                                 "have %zu columns",
                                 n, rows->n_fields);
        return 0;
}

int compile_cells(const Graph *g, const CompileOptions *o, Cells **ret, Error *e) {
        _cleanup_(cells_freep)
        Cells *c = NULL;
        int r;

        r = check_width(g, o->calibration, e);
        if (r >= 0)
                r = lower_graph(g, o->threshold, o->values, &c, e);
        if (r >= 0)
                r = cells_fold(c);
        if (r >= 0)
                r = cells_simplify_decision(c);
        if (r >= 0)
                r = cells_fold(c);
        if (r >= 0)
                r = forest_resolve(c, e);
        if (r >= 0)
                r = cells_separate(c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static int compile(const Graph *g, const CompileOptions *o, Program **ret, CompileReport *report,
                   Error *e) {
        _cleanup_(cells_freep)
        Cells *c = NULL;
        _cleanup_(groups_freep)
        Groups *groups = NULL;
        int r;

        r = compile_cells(g, o, &c, e);
        if (r >= 0)
                r = groups_new(c, &groups);
        if (r >= 0)
                r = check_sizes(c, groups, e);
        if (r >= 0)
                r = choose_precision(c, groups, o, ret, report, e);
        return r;
}

int compile_graph(const Graph *g, const CompileOptions *options, Program **ret,
                  CompileReport *ret_report, Error *e) {
        _cleanup_(program_freep)
        Program *p = NULL;
        CompileReport report = {0};
        int r;

        if (strlen(options->name) >= sizeof(p->name))
                return error_set(e, -EINVAL, "name '%.80s': accepted are up to %zu characters",
                                 options->name, sizeof(p->name) - 1);
        r = compile(g, options, &p, &report, e);
        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        snprintf(p->name, sizeof(p->name), "%s", options->name);
        r = program_check(p, e);
        if (r < 0)
                return r;
        report.multiplications = program_multiplications(p);
        *ret = TAKE_PTR(p);
        if (ret_report)
                *ret_report = report;
        return 0;
}
