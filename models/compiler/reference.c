/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/reference.h"

/*
 * Written to be compared with program.h line by line, not to be fast. Right shifts of negative
 * numbers are arithmetic in every compiler that builds this.
 */

static int64_t rsh(int64_t v, unsigned s) {
        return s == 0 ? v : (v + (INT64_C(1) << (s - 1))) >> s;
}

static int32_t requant(int64_t v, const Requant *q) {
        return (int32_t)CLAMP(rsh(v * q->multiplier, q->shift), q->low, q->high);
}

static void run_affine(const Step *s, const int32_t *x, int32_t *y) {
        for (size_t o = 0; o < s->n_outputs; o++) {
                int64_t sum = s->bias[o];

                for (size_t i = 0; i < s->n_inputs; i++)
                        sum += (int64_t)s->weights[o * s->n_inputs + i] * x[s->inputs[i]];
                y[o] = requant(sum, &s->requant[o]);
        }
}

static void run_sum(const Step *s, const int32_t *x, int32_t *y) {
        size_t group = s->n_inputs / s->n_outputs;

        for (size_t o = 0; o < s->n_outputs; o++) {
                int64_t sum = s->bias[o];

                for (size_t i = o * group; i < (o + 1) * group; i++)
                        sum += (int64_t)s->weights[i] * x[s->inputs[i]];
                y[o] = requant(sum, &s->requant[o]);
        }
}

static void run_max(const Step *s, const int32_t *x, int32_t *y) {
        size_t group = s->n_inputs / s->n_outputs;

        for (size_t o = 0; o < s->n_outputs; o++) {
                y[o] = x[s->inputs[o * group]];
                for (size_t i = o * group + 1; i < (o + 1) * group; i++)
                        y[o] = MAX(y[o], x[s->inputs[i]]);
        }
}

static void run_table(const Step *s, const int32_t *x, int32_t *y) {
        const Requant *q = &s->requant[0];

        for (size_t o = 0; o < s->n_outputs; o++)
                y[o] = s->table[(int64_t)requant(x[s->inputs[o]], q) - q->low];
}

static void run_trees(const Step *s, const int32_t *x, int32_t *y) {
        for (size_t o = 0; o < s->n_outputs; o++) {
                int64_t sum = s->bias[o];

                for (size_t t = 0; t < s->n_trees; t++) {
                        const Tree *tree = &s->trees[t];
                        const TreeNode *n = &tree->nodes[0];

                        while (n->cell >= 0)
                                n = &tree->nodes[x[s->inputs[n->cell]] <= n->threshold ? n->yes
                                                                                       : n->no];
                        sum += tree->values[n->yes * s->n_outputs + o];
                }
                y[o] = (int32_t)sum;
        }
}

static void run_step(const Step *s, const int32_t *x, int32_t *y) {
        switch (s->kind) {
        case STEP_AFFINE:
                run_affine(s, x, y);
                break;
        case STEP_SUM:
                run_sum(s, x, y);
                break;
        case STEP_LEAKY:
                for (size_t o = 0; o < s->n_outputs; o++) {
                        int32_t v = x[s->inputs[o]];

                        y[o] = v >= 0 ? v : requant(v, &s->requant[o]);
                }
                break;
        case STEP_TABLE:
                run_table(s, x, y);
                break;
        case STEP_PRODUCT:
                for (size_t o = 0; o < s->n_outputs; o++)
                        y[o] = requant((int64_t)x[s->inputs[o]] * x[s->inputs[s->n_outputs + o]],
                                       &s->requant[o]);
                break;
        case STEP_MAX:
                run_max(s, x, y);
                break;
        case STEP_TREES:
                run_trees(s, x, y);
                break;
        default:
                break;
        }
}

static int64_t decide(const Program *p, const int32_t *cells) {
        size_t best = 0;

        if (p->decision == DECISION_VALUE)
                return 0;
        if (p->decision == DECISION_THRESHOLD)
                return cells[p->outputs[0]] > p->threshold;
        for (size_t i = 1; i < p->n_outputs; i++)
                if (cells[p->outputs[i]] > cells[p->outputs[best]])
                        best = i;
        return (int64_t)best;
}

int64_t reference_run(const Program *p, const uint32_t *raw, int32_t *scratch,
                      int32_t *ret_outputs) {
        for (size_t i = 0; i < p->n_fields; i++) {
                const FieldQuant *q = &p->fields[i];

                scratch[i] = requant(CLAMP((int64_t)raw[i], q->low, q->high) - q->offset,
                                     &q->requant);
        }
        for (size_t i = 0; i < p->n_steps; i++)
                run_step(&p->steps[i], scratch, scratch + p->steps[i].first);
        for (size_t i = 0; ret_outputs && i < p->n_outputs; i++)
                ret_outputs[i] = scratch[p->outputs[i]];
        return decide(p, scratch);
}
