/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/prior.h"
#include "util/hash.h"

/* One process is little evidence, a few are much. */
#define HALF_STRENGTH 1.0f
/* What is known of another build of a program. */
#define OTHER_BUILD 0.25f
/* An interpreter does this and that: where no class stands out nothing is known, and a process must
 * not be kept from showing what it is. */
#define SHARP_FROM 0.5f
#define SHARP_TO 0.9f

typedef struct PriorKey {
        uint64_t name, build;
} PriorKey;

static bool key_of(const Ident *ident, const char *comm, PriorKey *ret) {
        uint64_t name = FNV1A64_INIT;

        if (!ident || ident->exe[0] != '/')
                return false;
        name = fnv1a64(name, ident->exe, strlen(ident->exe) + 1);
        *ret = (PriorKey){
                .name = fnv1a64(name, comm, strnlen(comm, sizeof(((PriorEntry *)0)->comm))),
                .build = fnv1a64(FNV1A64_INIT, &ident->build, sizeof(ident->build)),
        };
        return true;
}

static int key_compare(const PriorEntry *e, const PriorKey *k) {
        if (e->name != k->name)
                return e->name < k->name ? -1 : 1;
        return e->build < k->build ? -1 : e->build > k->build;
}

/* The first entry that is not before the key. */
static size_t position(const PriorTable *t, const PriorKey *k) {
        size_t lo = 0, hi = t->n;

        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;

                if (key_compare(t->entries[mid], k) < 0)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        return lo;
}

/* How much is left of a mass; never more than all, should the clock have been set back. */
static float decay(usec_t half_life, int64_t seen, int64_t at) {
        double age = at > seen ? (double)at - (double)seen : 0;

        return (float)exp2(-age / (double)half_life);
}

float prior_entry_mass(const PriorEntry *e) {
        float mass = 0;

        for (int c = 0; c < _CLASS_COUNT; c++)
                mass += e->mass[c];
        return mass;
}

void prior_entry_age(PriorEntry *e, usec_t half_life, int64_t at) {
        float left = decay(half_life, e->seen, at);

        for (int c = 0; c < _CLASS_COUNT; c++)
                e->mass[c] *= left;
        e->seen = at > e->seen ? at : e->seen;
}

static void remove_at(PriorTable *t, size_t i) {
        free(t->entries[i]);
        t->n--;
        for (; i < t->n; i++)
                t->entries[i] = t->entries[i + 1];
        t->generation++;
}

void prior_table_done(PriorTable *t) {
        for (size_t i = 0; i < t->n; i++)
                free(t->entries[i]);
        free(t->entries);
        *t = (PriorTable){};
}

static void remove_oldest(PriorTable *t) {
        size_t oldest = 0;

        for (size_t i = 1; i < t->n; i++)
                if (t->entries[i]->seen < t->entries[oldest]->seen)
                        oldest = i;
        remove_at(t, oldest);
}

void prior_table_set_limits(PriorTable *t, const PriorLimits *limits) {
        t->limits = *limits;
        while (t->entries && t->n > (limits->enabled ? limits->max : 0))
                remove_oldest(t);
}

static PriorEntry *insert(PriorTable *t, const PriorKey *k) {
        PriorEntry *e = NULL;
        size_t i;

        if (t->limits.max == 0)
                return NULL;
        while (t->n >= t->limits.max)
                remove_oldest(t);
        if (t->n == t->n_allocated) {
                size_t n = t->n_allocated > 0 ? t->n_allocated * 2 : 64;
                PriorEntry **entries = reallocarray(t->entries, n, sizeof(*entries));

                if (!entries)
                        return NULL;
                t->entries = entries;
                t->n_allocated = n;
        }
        e = calloc(1, sizeof(*e));
        if (!e)
                return NULL;
        e->name = k->name;
        e->build = k->build;
        i = position(t, k);
        memmove(t->entries + i + 1, t->entries + i, (t->n - i) * sizeof(*t->entries));
        t->entries[i] = e;
        t->n++;
        return e;
}

void prior_learn(PriorTable *t, const Ident *ident, const char *comm, const Prediction *prediction,
                 usec_t lesson, usec_t dt, int64_t at) {
        PriorEntry *e = NULL;
        PriorKey k;
        float weight, mass;
        size_t i;

        if (!t->limits.enabled || lesson >= PRIOR_LESSON || dt == 0 || !key_of(ident, comm, &k))
                return;
        i = position(t, &k);
        if (i < t->n && key_compare(t->entries[i], &k) == 0)
                e = t->entries[i];
        else {
                e = insert(t, &k);
                if (!e)
                        return;
                memcpy(e->exe, ident->exe, strlen(ident->exe));
                memcpy(e->comm, comm, strnlen(comm, sizeof(e->comm) - 1));
                e->seen = at;
        }
        prior_entry_age(e, t->limits.half_life, at);
        weight = (float)((double)MIN(dt, PRIOR_LESSON - lesson) / (double)PRIOR_LESSON);
        for (int c = 0; c < _CLASS_COUNT; c++)
                e->mass[c] += weight * prediction->probability[c];
        mass = prior_entry_mass(e);
        for (int c = 0; c < _CLASS_COUNT && mass > PRIOR_MASS_MAX; c++)
                e->mass[c] *= PRIOR_MASS_MAX / mass;
        if (lesson == 0 && e->processes < UINT32_MAX)
                e->processes++;
        t->generation++;
}

/* Of the builds of a program, the one of which most is known. */
static const PriorEntry *find_other_build(const PriorTable *t, const PriorKey *k, int64_t at) {
        const PriorEntry *best = NULL;
        float most = 0;

        for (size_t i = position(t, &(PriorKey){k->name, 0});
             i < t->n && t->entries[i]->name == k->name; i++) {
                const PriorEntry *e = t->entries[i];
                float mass = prior_entry_mass(e) * decay(t->limits.half_life, e->seen, at);

                if (mass > most) {
                        best = e;
                        most = mass;
                }
        }
        return best;
}

void prior_get(const PriorTable *t, const Ident *ident, const char *comm, int64_t at, Prior *ret) {
        const PriorEntry *e = NULL;
        PriorKey k;
        float mass, sharp, most = 0;
        size_t i;

        *ret = (Prior){};
        if (!t->limits.enabled || !key_of(ident, comm, &k))
                return;
        i = position(t, &k);
        if (i < t->n && key_compare(t->entries[i], &k) == 0)
                e = t->entries[i];
        else {
                e = find_other_build(t, &k, at);
                ret->other_build = e != NULL;
        }
        if (!e)
                return;
        mass = prior_entry_mass(e);
        if (!(mass > 0))
                return;
        ret->processes = e->processes;
        for (int c = 0; c < _CLASS_COUNT; c++) {
                ret->prediction.probability[c] = e->mass[c] / mass;
                most = MAX(most, ret->prediction.probability[c]);
        }
        sharp = CLAMP((most - SHARP_FROM) / (SHARP_TO - SHARP_FROM), 0.0f, 1.0f);
        mass *= decay(t->limits.half_life, e->seen, at);
        ret->strength = sharp * mass / (mass + HALF_STRENGTH) *
                        (ret->other_build ? OTHER_BUILD : 1.0f);
}

float prior_weight(const Prior *p, uint32_t n_intervals) {
        if (n_intervals >= PRIOR_INTERVALS)
                return 0;
        return p->strength * (float)(PRIOR_INTERVALS - n_intervals) / (float)PRIOR_INTERVALS;
}

void prior_blend(const Prior *prior, float weight, Prediction *p) {
        for (int c = 0; c < _CLASS_COUNT; c++)
                p->probability[c] = weight * prior->prediction.probability[c] +
                                    (1 - weight) * p->probability[c];
}

size_t prior_table_forget(PriorTable *t, const char *exe) {
        size_t n = 0;

        for (size_t i = t->n; i-- > 0;)
                if (!exe || streq(t->entries[i]->exe, exe)) {
                        remove_at(t, i);
                        n++;
                }
        return n;
}

/* Such as prior_learn() makes: the name is the hash of the texts. */
static bool entry_is_sane(const PriorEntry *e) {
        uint64_t name = FNV1A64_INIT;

        if (e->exe[0] != '/' || !memchr(e->exe, '\0', sizeof(e->exe)) ||
            !memchr(e->comm, '\0', sizeof(e->comm)) || e->pad)
                return false;
        name = fnv1a64(name, e->exe, strlen(e->exe) + 1);
        if (e->name != fnv1a64(name, e->comm, strlen(e->comm)))
                return false;
        for (int c = 0; c < _CLASS_COUNT; c++)
                /* False for NaN, too. */
                if (!(e->mass[c] >= 0 && e->mass[c] <= 2 * PRIOR_MASS_MAX))
                        return false;
        return true;
}

int prior_table_load(PriorTable *t, const PriorEntry *entries, size_t n) {
        const PriorLimits limits = t->limits;
        PriorTable new = {.limits = limits};

        if (n > PRIORS_MAX)
                return -EINVAL;
        new.limits.max = PRIORS_MAX;
        for (size_t i = 0; i < n; i++)
                if (!entry_is_sane(entries + i))
                        return -EINVAL;
        for (size_t i = 0; i < n && limits.enabled; i++) {
                const PriorKey k = {entries[i].name, entries[i].build};
                size_t at = position(&new, &k);
                PriorEntry *e = NULL;

                if (at < new.n && key_compare(new.entries[at], &k) == 0) {
                        prior_table_done(&new);
                        return -EINVAL; /* twice */
                }
                e = insert(&new, &k);
                if (!e) {
                        prior_table_done(&new);
                        return -ENOMEM;
                }
                *e = entries[i];
        }
        prior_table_set_limits(&new, &limits);
        new.generation = t->generation + 1;
        prior_table_done(t);
        *t = new;
        return 0;
}
