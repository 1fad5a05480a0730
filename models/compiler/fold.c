/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/compiler/cells.h"

/*
 * An affine cell that only affine cells use can be multiplied into them: scalers and batch
 * normalisation vanish so, and layers without an activation between them become one. Cells of one
 * layer have the same terms and are judged together, because each alone may make more weights than
 * it saves: A (n × k) times B (k × m) is worth it where n m <= n k + k m.
 */

typedef struct Candidate {
        uint64_t hash; /* of the cells that it takes */
        uint32_t cell;
} Candidate;

typedef struct Folder {
        Cells *c;
        uint8_t *output; /* per cell: the decision needs it */
        uint8_t *stale;  /* its terms changed in this round */
        uint32_t *stamp;
        uint32_t now;
        uint32_t *first_user; /* [n + 1] into users */
        uint32_t *users;
        size_t n_candidates;
        Candidate *candidates;
        uint32_t *touched; /* users of the group that is judged */
        size_t n_touched;
} Folder;

static void folder_done(Folder *f) {
        free(f->output);
        free(f->stale);
        free(f->stamp);
        free(f->first_user);
        free(f->users);
        free(f->candidates);
        free(f->touched);
}

static bool can_fold(const Folder *f, size_t i) {
        const Cell *cell = &f->c->cells[i];

        return cell->kind == CELL_AFFINE && !cell->dead && !f->output[i] && isinf(cell->low) &&
               isinf(cell->high);
}

static uint64_t hash_terms(const Cell *cell) {
        uint64_t h = 1469598103934665603u;

        for (size_t i = 0; i < cell->n_terms; i++)
                h = (h ^ cell->terms[i].cell) * 1099511628211u;
        return h;
}

static bool same_terms(const Cell *a, const Cell *b) {
        if (a->n_terms != b->n_terms)
                return false;
        for (size_t i = 0; i < a->n_terms; i++)
                if (a->terms[i].cell != b->terms[i].cell)
                        return false;
        return true;
}

static int candidate_compare(const void *a, const void *b) {
        const Candidate *x = a, *y = b;

        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return x->cell < y->cell ? -1 : x->cell > y->cell;
}

/* Who uses whom, and the candidates in groups of equal terms. */
static int folder_survey(Folder *f) {
        const Cells *c = f->c;
        size_t n_users = 0;

        memset(f->first_user, 0, (c->n + 1) * sizeof(*f->first_user));
        for (size_t i = c->n_fields; i < c->n; i++)
                for (size_t k = 0; !c->cells[i].dead && k < c->cells[i].n_terms; k++, n_users++)
                        f->first_user[c->cells[i].terms[k].cell]++;
        free(f->users);
        free(f->touched);
        f->users = calloc(MAX(n_users, (size_t)1), sizeof(*f->users));
        f->touched = calloc(MAX(n_users, (size_t)1), sizeof(*f->touched));
        if (!f->users || !f->touched)
                return -ENOMEM;
        for (size_t i = 0, sum = 0; i <= c->n; i++) {
                sum += i < c->n ? f->first_user[i] : 0;
                f->first_user[i] = (uint32_t)sum;
        }
        for (size_t i = c->n; i-- > c->n_fields;)
                for (size_t k = 0; !c->cells[i].dead && k < c->cells[i].n_terms; k++)
                        f->users[--f->first_user[c->cells[i].terms[k].cell]] = (uint32_t)i;
        f->n_candidates = 0;
        for (size_t i = c->n_fields; i < c->n; i++)
                if (can_fold(f, i))
                        f->candidates[f->n_candidates++] = (Candidate){
                                .hash = hash_terms(&c->cells[i]), .cell = (uint32_t)i};
        qsort(f->candidates, f->n_candidates, sizeof(*f->candidates), candidate_compare);
        memset(f->stale, 0, c->n);
        return 0;
}

/* The affine users of the group, each once, and what folding it changes in the number of weights.
 */
static int64_t judge(Folder *f, const Candidate *group, size_t n) {
        const Cells *c = f->c;
        const Cell *any = &c->cells[group[0].cell];
        int64_t change = 0;

        f->now++;
        f->n_touched = 0;
        for (size_t i = 0; i < n; i++) {
                uint32_t cell = group[i].cell;
                bool all = true;

                for (size_t u = f->first_user[cell]; u < f->first_user[cell + 1]; u++) {
                        uint32_t user = f->users[u];

                        if (c->cells[user].kind != CELL_AFFINE)
                                all = false;
                        else if (f->stamp[user] != f->now) {
                                f->stamp[user] = f->now;
                                f->touched[f->n_touched++] = user;
                        }
                }
                if (all)
                        change -= (int64_t)c->cells[cell].n_terms;
        }
        for (size_t u = 0; u < f->n_touched; u++) {
                const Cell *user = &c->cells[f->touched[u]];
                int64_t after = 0;

                f->now++;
                for (size_t i = 0; i < n; i++)
                        f->stamp[group[i].cell] = f->now;
                for (size_t k = 0; k < user->n_terms; k++)
                        if (f->stamp[user->terms[k].cell] != f->now) {
                                f->stamp[user->terms[k].cell] = f->now;
                                after++;
                        }
                for (size_t k = 0; k < any->n_terms; k++)
                        after += f->stamp[any->terms[k].cell] != f->now;
                change += after - (int64_t)user->n_terms;
        }
        return change;
}

/* Replaces the terms of user that are cells of the group (stamped now). */
static int substitute(Folder *f, uint32_t index) {
        Cells *c = f->c;
        Cell *user = &c->cells[index];
        _cleanup_free_
        Term *terms = NULL;
        Cell merged = *user;
        size_t n = 0;
        int64_t r;

        for (size_t k = 0; k < user->n_terms; k++)
                n += f->stamp[user->terms[k].cell] == f->now ? c->cells[user->terms[k].cell].n_terms
                                                             : 1;
        terms = malloc(MAX(n, (size_t)1) * sizeof(*terms));
        if (!terms)
                return -ENOMEM;
        n = 0;
        for (size_t k = 0; k < user->n_terms; k++) {
                Term t = user->terms[k];
                const Cell *inner = &c->cells[t.cell];

                if (f->stamp[t.cell] != f->now) {
                        terms[n++] = t;
                        continue;
                }
                merged.bias += t.weight * inner->bias;
                for (size_t j = 0; j < inner->n_terms; j++)
                        terms[n++] = (Term){inner->terms[j].cell,
                                            t.weight * inner->terms[j].weight};
        }
        merged.terms = terms;
        merged.n_terms = n;

        /* By way of an appended cell, which merges equal terms. */
        r = cells_add(c, &merged);
        if (r < 0)
                return (int)r;
        user = &c->cells[index];
        free(user->terms);
        *user = c->cells[--c->n];
        if (user->n_terms == 0) {
                user->bias = CLAMP(user->bias, user->low, user->high);
                user->low = -(double)INFINITY;
                user->high = (double)INFINITY;
        }
        f->stale[index] = 1;
        return 0;
}

static int fold_group(Folder *f, const Candidate *group, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (f->stale[group[i].cell])
                        return 0; /* in the next round */
        if (judge(f, group, n) > 0 || f->n_touched == 0)
                return 0;
        for (size_t u = 0; u < f->n_touched; u++) {
                int r;

                f->now++;
                for (size_t i = 0; i < n; i++)
                        f->stamp[group[i].cell] = f->now;
                r = substitute(f, f->touched[u]);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* Earlier cells stand in front in no hash order, but whatever is stale waits for the next round. */
static int fold_round(Folder *f) {
        int changed = 0;
        int r;

        r = folder_survey(f);
        if (r < 0)
                return r;
        for (size_t i = 0; i < f->n_candidates;) {
                const Candidate *group = &f->candidates[i];
                const Cell *first = &f->c->cells[group->cell];
                size_t n = 1;

                while (i + n < f->n_candidates && group[n].hash == group->hash &&
                       same_terms(first, &f->c->cells[group[n].cell]))
                        n++;
                r = fold_group(f, group, n);
                if (r < 0)
                        return r;
                changed |= r;
                i += n;
        }
        return changed;
}

int cells_fold(Cells *c) {
        _cleanup_(folder_done)
        Folder f = {.c = c};
        int r;

        cells_mark_dead(c);
        f.output = calloc(c->n + 1, sizeof(*f.output));
        f.stale = calloc(c->n + 1, sizeof(*f.stale));
        f.stamp = calloc(c->n + 1, sizeof(*f.stamp));
        f.first_user = calloc(c->n + 2, sizeof(*f.first_user));
        f.candidates = calloc(c->n + 1, sizeof(*f.candidates));
        if (!f.output || !f.stale || !f.stamp || !f.first_user || !f.candidates)
                return -ENOMEM;
        for (size_t i = 0; i < c->decision.n_outputs; i++)
                f.output[c->decision.outputs[i]] = 1;
        do {
                r = fold_round(&f);
                if (r < 0)
                        return r;
                cells_mark_dead(c);
        } while (r > 0);
        return 0;
}
