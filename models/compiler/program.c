/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>

#include "models/compiler/program.h"

#define SHIFT_MAX 62

static const char *const precision_names[_PRECISION_COUNT] = {
        [PRECISION_INT8] = "int8",
        [PRECISION_INT16] = "int16",
        [PRECISION_Q16] = "q16",
};

static const char *const kind_names[_STEP_KIND_COUNT] = {
        [STEP_AFFINE] = "affine",   [STEP_LEAKY] = "leaky", [STEP_TABLE] = "table",
        [STEP_PRODUCT] = "product", [STEP_SUM] = "sum",     [STEP_MAX] = "max",
        [STEP_TREES] = "trees",
};

const char *precision_name(Precision p) {
        return precision_names[p];
}

int precision_from_name(const char *name) {
        for (int i = 0; i < _PRECISION_COUNT; i++)
                if (streq(precision_names[i], name))
                        return i;
        return -EINVAL;
}

const char *step_kind_name(StepKind k) {
        return kind_names[k];
}

static void step_done(Step *s) {
        free(s->inputs);
        free(s->outputs);
        free(s->requant);
        free(s->weights);
        free(s->bias);
        free(s->table);
        for (size_t t = 0; s->trees && t < s->n_trees; t++) {
                free(s->trees[t].nodes);
                free(s->trees[t].values);
        }
        free(s->trees);
}

Program *program_free(Program *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_steps; i++)
                step_done(&p->steps[i]);
        free(p->steps);
        free(p->fields);
        free(p);
        return NULL;
}

/* calloc that takes none: never NULL for want of elements. */
static void *array_new(size_t n, size_t size) {
        return calloc(MAX(n, (size_t)1), size);
}

Step *program_add_step(Program *p, StepKind kind, const char *name, size_t n_inputs,
                       const uint32_t *inputs, size_t n_outputs, size_t n_table, size_t n_trees) {
        bool sums = kind == STEP_AFFINE || kind == STEP_SUM;
        Step *steps, *s;

        steps = reallocarray(p->steps, p->n_steps + 1, sizeof(*steps));
        if (!steps)
                return NULL;
        p->steps = steps;
        s = &steps[p->n_steps];
        *s = (Step){
                .kind = kind,
                .n_inputs = n_inputs,
                .n_outputs = n_outputs,
                .first = (uint32_t)p->n_cells,
                .n_table = n_table,
                .n_trees = n_trees,
                .inputs = array_new(n_inputs, sizeof(*s->inputs)),
                .outputs = array_new(n_outputs, sizeof(*s->outputs)),
                .requant = array_new(n_outputs, sizeof(*s->requant)),
                .weights = sums ? array_new(kind == STEP_AFFINE ? n_inputs * n_outputs : n_inputs,
                                            sizeof(*s->weights))
                                : NULL,
                .bias = array_new(n_outputs, sizeof(*s->bias)),
                .table = n_table > 0 ? array_new(n_table, sizeof(*s->table)) : NULL,
                .trees = n_trees > 0 ? array_new(n_trees, sizeof(*s->trees)) : NULL,
        };
        if (!s->inputs || !s->outputs || !s->requant || (sums && !s->weights) || !s->bias ||
            (n_table > 0 && !s->table) || (n_trees > 0 && !s->trees)) {
                step_done(s);
                return NULL;
        }
        if (n_inputs > 0)
                memcpy(s->inputs, inputs, n_inputs * sizeof(*inputs));
        snprintf(s->name, sizeof(s->name), "%s", name);
        p->n_steps++;
        p->n_cells += n_outputs;
        return s;
}

size_t program_multiplications(const Program *p) {
        size_t n = 0;

        for (size_t i = 0; i < p->n_steps; i++) {
                const Step *s = &p->steps[i];

                if (s->kind == STEP_AFFINE)
                        n += s->n_inputs * s->n_outputs;
                else if (s->kind == STEP_SUM)
                        n += s->n_inputs;
                else if (s->kind == STEP_PRODUCT)
                        n += s->n_outputs;
        }
        return n;
}

typedef struct Checker {
        const Program *p;
        size_t step;
        Error *e;
} Checker;

_printf_(2, 3) static int refuse(const Checker *c, const char *format, ...) {
        const Step *s = &c->p->steps[c->step];
        char text[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        return error_set(c->e, -EINVAL, "step %zu (%s '%s'): %s", c->step,
                         (unsigned)s->kind < _STEP_KIND_COUNT ? kind_names[s->kind] : "?", s->name,
                         text);
}

static int check_requant(const Checker *c, const Requant *q, size_t n, bool any_sign) {
        for (size_t i = 0; i < n; i++) {
                if (q[i].shift > SHIFT_MAX)
                        return refuse(c, "output %zu: shift %u: accepted is 0 to %d", i, q[i].shift,
                                      SHIFT_MAX);
                if (q[i].low > q[i].high)
                        return refuse(c, "output %zu: bounds %d … %d are empty", i, q[i].low,
                                      q[i].high);
                if (!any_sign && q[i].multiplier <= 0)
                        return refuse(c, "output %zu: multiplier %d: accepted is above 0", i,
                                      q[i].multiplier);
        }
        return 0;
}

/* Nodes in order: a child has one parent, which stands before it, so that no walk can go in circles
 * and depth is known. */
static int check_tree(const Checker *c, size_t index, const Tree *t, size_t n_inputs) {
        _cleanup_free_
        uint8_t *depth = NULL; /* 0: nobody's child yet */

        if (t->n_nodes == 0 || !t->nodes || t->n_leaves == 0 || !t->values)
                return refuse(c, "tree %zu is empty", index);
        if (t->n_nodes > UINT32_MAX || t->n_leaves > UINT32_MAX)
                return refuse(c, "tree %zu is too large", index);
        depth = calloc(t->n_nodes, sizeof(*depth));
        if (!depth)
                return error_set(c->e, -ENOMEM, "out of memory");
        depth[0] = 1;
        for (size_t i = 0; i < t->n_nodes; i++) {
                const TreeNode *n = &t->nodes[i];
                uint32_t child[2] = {n->yes, n->no};

                if (n->cell < 0) {
                        if (n->yes >= t->n_leaves)
                                return refuse(c, "tree %zu node %zu: no leaf %u", index, i, n->yes);
                        continue;
                }
                if ((size_t)n->cell >= n_inputs)
                        return refuse(c, "tree %zu node %zu: no input %d", index, i, n->cell);
                if (n->threshold < INT32_MIN || n->threshold > INT32_MAX)
                        return refuse(c, "tree %zu node %zu: threshold %lld beyond 32 bits", index,
                                      i, (long long)n->threshold);
                if (depth[i] == 0)
                        return refuse(c, "tree %zu node %zu: nothing leads to it", index, i);
                if (depth[i] > PROGRAM_TREE_DEPTH_MAX)
                        return refuse(c, "tree %zu is deeper than %d", index,
                                      PROGRAM_TREE_DEPTH_MAX);
                for (size_t k = 0; k < 2; k++) {
                        if (child[k] <= i || child[k] >= t->n_nodes)
                                return refuse(c,
                                              "tree %zu node %zu: child %u: accepted is %zu to %zu",
                                              index, i, child[k], i + 1, t->n_nodes - 1);
                        if (depth[child[k]] != 0)
                                return refuse(c, "tree %zu node %u has two parents", index,
                                              child[k]);
                        depth[child[k]] = (uint8_t)(depth[i] + 1);
                }
        }
        return 0;
}

static int check_kind(const Checker *c, const Step *s) {
        int r;

        switch (s->kind) {
        case STEP_AFFINE:
        case STEP_SUM:
                if (!s->weights || !s->bias)
                        return refuse(c, "lacks weights or bias");
                if (s->kind == STEP_SUM && s->n_inputs % s->n_outputs != 0)
                        break;
                return check_requant(c, s->requant, s->n_outputs, /* any_sign= */ false);
        case STEP_LEAKY:
                if (s->n_inputs != s->n_outputs)
                        break;
                return check_requant(c, s->requant, s->n_outputs, /* any_sign= */ true);
        case STEP_PRODUCT:
                if (s->n_inputs != 2 * s->n_outputs)
                        break;
                return check_requant(c, s->requant, s->n_outputs, /* any_sign= */ false);
        case STEP_MAX:
                if (s->n_inputs % s->n_outputs != 0)
                        break;
                return 0;
        case STEP_TABLE:
                if (s->n_inputs != s->n_outputs)
                        break;
                r = check_requant(c, s->requant, 1, /* any_sign= */ false);
                if (r < 0)
                        return r;
                if (!s->table || s->n_table == 0 || s->n_table > PROGRAM_TABLE_MAX ||
                    (int64_t)s->requant[0].high - s->requant[0].low + 1 != (int64_t)s->n_table)
                        return refuse(c, "%zu entries for indices %d … %d", s->n_table,
                                      s->requant[0].low, s->requant[0].high);
                return 0;
        case STEP_TREES:
                if (!s->bias || !s->trees || s->n_trees == 0)
                        return refuse(c, "lacks trees or base");
                for (size_t t = 0; t < s->n_trees; t++) {
                        r = check_tree(c, t, &s->trees[t], s->n_inputs);
                        if (r < 0)
                                return r;
                }
                return 0;
        default:
                return refuse(c, "unknown kind %d", (int)s->kind);
        }
        return refuse(c, "%zu inputs for %zu outputs", s->n_inputs, s->n_outputs);
}

static int check_step(const Checker *c, size_t cells) {
        const Step *s = &c->p->steps[c->step];

        if (s->n_inputs == 0 || s->n_inputs > PROGRAM_CELLS_MAX * 16 || s->n_outputs == 0 ||
            s->n_outputs > PROGRAM_CELLS_MAX)
                return refuse(c, "%zu inputs, %zu outputs", s->n_inputs, s->n_outputs);
        if (!s->inputs || !s->outputs || !s->requant)
                return refuse(c, "lacks inputs, outputs or requantisation");
        if (s->first != cells)
                return refuse(c, "first output is cell %u where %zu comes next", s->first, cells);
        for (size_t i = 0; i < s->n_inputs; i++)
                if (s->inputs[i] >= cells)
                        return refuse(c, "input %zu is cell %u: accepted is 0 to %zu", i,
                                      s->inputs[i], cells - 1);
        return check_kind(c, s);
}

static int check_field(const Program *p, size_t i, Error *e) {
        const FieldQuant *q = &p->fields[i];

        if (q->low < 0 || q->low > q->high || q->high > UINT32_MAX)
                return error_set(e, -EINVAL, "field %zu: range %lld … %lld: accepted is 0 to %u", i,
                                 (long long)q->low, (long long)q->high, UINT32_MAX);
        if (q->offset < -(INT64_C(1) << 33) || q->offset > INT64_C(1) << 33)
                return error_set(e, -EINVAL, "field %zu: offset %lld is out of proportion", i,
                                 (long long)q->offset);
        if (q->requant.shift > SHIFT_MAX || q->requant.low > q->requant.high ||
            q->requant.multiplier <= 0)
                return error_set(e, -EINVAL, "field %zu: multiplier %d, shift %u, bounds %d … %d",
                                 i, q->requant.multiplier, q->requant.shift, q->requant.low,
                                 q->requant.high);
        return 0;
}

static int check_outputs(const Program *p, Error *e) {
        size_t min = p->decision == DECISION_ARGMAX ? 2 : 1;
        size_t max = p->decision == DECISION_THRESHOLD ? 1 : PROGRAM_OUTPUTS_MAX;

        if (p->decision != DECISION_ARGMAX && p->decision != DECISION_THRESHOLD &&
            p->decision != DECISION_VALUE)
                return error_set(e, -EINVAL, "unknown decision %d", (int)p->decision);
        if (p->n_outputs < min || p->n_outputs > max)
                return error_set(e, -EINVAL, "%zu outputs: accepted is %zu to %zu", p->n_outputs,
                                 min, max);
        for (size_t i = 0; i < p->n_outputs; i++)
                if (p->outputs[i] >= p->n_cells)
                        return error_set(e, -EINVAL, "output %zu is cell %u of %zu", i,
                                         p->outputs[i], p->n_cells);
        return 0;
}

static bool is_identifier(const char *s, size_t size) {
        if (!memchr(s, 0, size) || !(isalpha((unsigned char)s[0]) || s[0] == '_'))
                return false;
        for (; *s; s++)
                if (!isalnum((unsigned char)*s) && *s != '_')
                        return false;
        return true;
}

int program_check(const Program *p, Error *e) {
        Checker c = {.p = p, .e = e};
        size_t cells = p->n_fields;
        int r;

        if (!is_identifier(p->name, sizeof(p->name)))
                return error_set(e, -EINVAL, "program '%.63s': its name is no C identifier",
                                 p->name);
        if ((unsigned)p->precision >= _PRECISION_COUNT)
                return error_set(e, -EINVAL, "unknown precision %d", (int)p->precision);
        if (p->n_fields == 0 || p->n_fields > PROGRAM_FIELDS_MAX || !p->fields)
                return error_set(e, -EINVAL, "%zu fields: accepted is 1 to %d", p->n_fields,
                                 PROGRAM_FIELDS_MAX);
        if (p->n_steps > PROGRAM_STEPS_MAX || (p->n_steps > 0 && !p->steps))
                return error_set(e, -EINVAL, "%zu steps: accepted is at most %d", p->n_steps,
                                 PROGRAM_STEPS_MAX);
        if (p->n_cells > PROGRAM_CELLS_MAX)
                return error_set(e, -EINVAL, "%zu cells: accepted is at most %d", p->n_cells,
                                 PROGRAM_CELLS_MAX);
        for (size_t i = 0; i < p->n_fields; i++) {
                r = check_field(p, i, e);
                if (r < 0)
                        return r;
        }
        for (c.step = 0; c.step < p->n_steps; c.step++) {
                r = check_step(&c, cells);
                if (r < 0)
                        return r;
                cells += p->steps[c.step].n_outputs;
        }
        if (cells != p->n_cells)
                return error_set(e, -EINVAL, "steps make %zu cells, not %zu", cells, p->n_cells);
        return check_outputs(p, e);
}
