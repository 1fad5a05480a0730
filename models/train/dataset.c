/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/train/dataset.h"

uint64_t random_next(Random *r) {
        uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

size_t random_below(Random *r, size_t n) {
        return (size_t)(random_next(r) % n);
}

double random_unit(Random *r) {
        return (double)(random_next(r) >> 11) * 0x1p-53;
}

double random_normal(Random *r) {
        /* Box and Muller (1958); 1 - u is never 0. */
        double radius = sqrt(-2.0 * log(1.0 - random_unit(r)));

        return radius * cos(2.0 * M_PI * random_unit(r));
}

static int compare_rows(const void *a, const void *b, void *userdata) {
        const RowTable *t = userdata;
        size_t i = *(const size_t *)a, k = *(const size_t *)b;
        const Row *x = &t->rows[i], *y = &t->rows[k];
        int r;

        if (x->label != y->label)
                return x->label < y->label ? -1 : 1;
        r = strcmp(x->program, y->program);
        if (r != 0)
                return r;
        return i < k ? -1 : i > k;
}

int sampler_init(Sampler *s, const RowTable *t) {
        _cleanup_(sampler_done)
        Sampler new = {.table = t};

        if (t->n == 0)
                return -ENODATA;
        new.order = calloc(t->n, sizeof(*new.order));
        new.groups = calloc(t->n, sizeof(*new.groups));
        if (!new.order || !new.groups)
                return -ENOMEM;
        for (size_t i = 0; i < t->n; i++)
                new.order[i] = i;
        qsort_r(new.order, t->n, sizeof(*new.order), compare_rows, (void *)t);
        for (size_t i = 0; i < t->n; i++) {
                const Row *row = &t->rows[new.order[i]];
                Group *g = new.n_groups > 0 ? &new.groups[new.n_groups - 1] : NULL;

                if (!g || g->label != row->label ||
                    !streq(t->rows[new.order[g->first]].program, row->program)) {
                        g = &new.groups[new.n_groups++];
                        *g = (Group){.first = i, .label = row->label};
                }
                g->n++;
        }
        for (size_t c = 0, g = 0; c < _CLASS_COUNT; c++) {
                new.first_group[c] = g;
                while (g < new.n_groups &&new.groups[g].label == (LoadClass)c)
                        g++;
                if (g > new.first_group[c])
                        new.classes[new.n_classes++] = (LoadClass)c;
                new.first_group[c + 1] = g;
        }
        *s = new;
        new = SAMPLER_INIT;
        return 0;
}

void sampler_done(Sampler *s) {
        free(s->order);
        free(s->groups);
        *s = SAMPLER_INIT;
}

const Row *sampler_next(const Sampler *s, Random *random) {
        LoadClass c = s->classes[random_below(random, s->n_classes)];
        size_t first = s->first_group[c];
        const Group *g = &s->groups[first + random_below(random, s->first_group[c + 1] - first)];

        return &s->table->rows[s->order[g->first + random_below(random, g->n)]];
}

double sampler_weight(const Sampler *s, size_t g) {
        LoadClass c = s->groups[g].label;

        return 1.0 / ((double)(s->first_group[c + 1] - s->first_group[c]) * (double)s->groups[g].n);
}

void sampler_standard(const Sampler *s, Standard *ret) {
        for (size_t k = 0; k < FEATURE_COUNT; k++) {
                double sum = 0, square = 0, mean;

                for (size_t g = 0; g < s->n_groups; g++) {
                        double weight = sampler_weight(s, g) / (double)s->n_classes;

                        for (size_t i = 0; i < s->groups[g].n; i++) {
                                size_t row = s->order[s->groups[g].first + i];
                                double x = (double)s->table->rows[row].x[k];

                                sum += weight * x;
                                square += weight * x * x;
                        }
                }
                mean = sum;
                ret->mean[k] = (float)mean;
                ret->deviation[k] = (float)sqrt(MAX(square - mean * mean, 0.0));
                if (!(ret->deviation[k] >= DEVIATION_MIN))
                        ret->deviation[k] = DEVIATION_MIN;
        }
}

void standard_apply(const Standard *s, const float *row, float *ret) {
        for (size_t k = 0; k < FEATURE_COUNT; k++) {
                float x = (row[k] - s->mean[k]) / s->deviation[k];

                ret[k] = CLAMP(x, -MODEL_INPUT_MAX, MODEL_INPUT_MAX);
        }
}
