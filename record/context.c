/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "record/export-internal.h"

/* Rows come so late at most behind their tick: until their label is known. */
#define KEPT (120 * USEC_PER_SEC)

const char *const context_columns[] = {
        "at",       "stream",   "process",  "comm",    "exe",     "unit",        "treated",
        "decision", "cpu_some", "cpu_full", "io_some", "io_full", "memory_some", "memory_full",
};
const size_t n_context_columns = ELEMENTSOF(context_columns);

static const char *const kinds[] = {"apply", "adopt",  "release",      "demote-unit",
                                    "tune",  "untune", "release-unit", "other"};

int context_init(Context *c, Store *store, usec_t tolerance, Error *e) {
        *c = (Context){.store = store, .tolerance = tolerance};
        return sql_prepare(store->db,
                           "SELECT at, pid, start, kind FROM decisions WHERE tick = ?1 AND pid > 0 "
                           "ORDER BY decision",
                           &c->decisions, e);
}

void context_done(Context *c) {
        (void)sqlite3_finalize(c->decisions);
        free(c->psi);
        free(c->decided);
        free(c->shares);
        free(c->kinds);
}

static int grow(void **array, size_t size, size_t n) {
        void *grown = reallocarray(*array, n, size);

        if (!grown)
                return -ENOMEM;
        *array = grown;
        return 0;
}

/* What no row can ask for any more goes, once there is much of it. */
static void forget(Context *c, int64_t at) {
        int64_t until = at - (int64_t)(KEPT + c->tolerance);
        size_t n = asof_count_before(c->psi, c->n_psi, until);

        if (n > 4096) {
                memmove(c->psi, c->psi + n, (c->n_psi - n) * sizeof(*c->psi));
                memmove(c->shares, c->shares + n, (c->n_psi - n) * sizeof(*c->shares));
                c->n_psi -= n;
        }
        n = asof_count_before(c->decided, c->n_decided, until);
        if (n > 4096) {
                memmove(c->decided, c->decided + n, (c->n_decided - n) * sizeof(*c->decided));
                memmove(c->kinds, c->kinds + n, (c->n_decided - n) * sizeof(*c->kinds));
                c->n_decided -= n;
        }
        for (size_t i = 0; i < c->n_treated;)
                if (c->treated[i].until < until)
                        c->treated[i] = c->treated[--c->n_treated];
                else
                        i++;
}

static double share(uint64_t now, uint64_t then, int64_t span) {
        return now > then ? (double)(now - then) / (double)span : 0;
}

static int take_psi(Context *c, const PlaybackTick *tick, Error *e) {
        int64_t span = tick->at - c->last_at;
        double *shares;

        if (c->n_psi == c->n_psi_allocated) {
                size_t n = MAX(c->n_psi_allocated * 2, (size_t)1024);

                if (grow((void **)&c->psi, sizeof(*c->psi), n) < 0 ||
                    grow((void **)&c->shares, sizeof(*c->shares), n) < 0)
                        return error_set(e, -ENOMEM, "out of memory");
                c->n_psi_allocated = n;
        }
        shares = c->shares[c->n_psi];
        for (int i = 0; i < _PSI_COUNT; i++) {
                const Psi *now = &tick->sample.psi[i], *then = &c->last[i];
                bool known = c->last_at > 0 && span > 0 && now->valid && then->valid;

                shares[2 * i] = known ? share(now->some_total, then->some_total, span) : -1;
                shares[2 * i + 1] = known ? share(now->full_total, then->full_total, span) : -1;
        }
        c->psi[c->n_psi++] = (AsofEntry){.at = tick->at};
        memcpy(c->last, tick->sample.psi, sizeof(c->last));
        c->last_at = tick->at;
        return 0;
}

static void note_treated(Context *c, int64_t process, int64_t at, const char *kind) {
        bool begins = streq(kind, "apply") || streq(kind, "adopt");

        for (size_t i = 0; i < c->n_treated; i++)
                if (c->treated[i].process == process && c->treated[i].until == INT64_MAX) {
                        if (streq(kind, "release"))
                                c->treated[i].until = at;
                        return;
                }
        if (begins && c->n_treated < ELEMENTSOF(c->treated)) {
                c->treated[c->n_treated].process = process;
                c->treated[c->n_treated].from = at;
                c->treated[c->n_treated++].until = INT64_MAX;
        }
}

static int take_decision(Context *c, const Playback *p, Error *e) {
        sqlite3_stmt *q = c->decisions;
        const PlaybackProcess *process = playback_find(p, (pid_t)sqlite3_column_int64(q, 1));
        const char *kind = kinds[ELEMENTSOF(kinds) - 1];
        int64_t at = sqlite3_column_int64(q, 0);

        if (!process || process->start != (uint64_t)sqlite3_column_int64(q, 2))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (streq(kinds[i], sql_text(q, 3)))
                        kind = kinds[i];
        if (c->n_decided == c->n_decided_allocated) {
                size_t n = MAX(c->n_decided_allocated * 2, (size_t)1024);

                if (grow((void **)&c->decided, sizeof(*c->decided), n) < 0 ||
                    grow((void **)&c->kinds, sizeof(*c->kinds), n) < 0)
                        return error_set(e, -ENOMEM, "out of memory");
                c->n_decided_allocated = n;
        }
        c->kinds[c->n_decided] = kind;
        c->decided[c->n_decided++] = (AsofEntry){.key = process->process, .at = at};
        note_treated(c, process->process, at, kind);
        return 0;
}

int context_take(Context *c, const PlaybackTick *tick, const Playback *p, Error *e) {
        int r, k;

        /* The clock was set back: what was is not before what is. */
        if (tick->fresh || tick->at < c->last_at) {
                c->n_psi = c->n_decided = c->n_treated = 0;
                c->last_at = 0;
        }
        forget(c, tick->at);
        r = take_psi(c, tick, e);
        if (r < 0)
                return r;
        (void)sqlite3_reset(c->decisions);
        sqlite3_bind_int64(c->decisions, 1, tick->tick);
        while (r >= 0 && (k = sql_step(c->decisions, e)) != 0)
                r = k < 0 ? k : take_decision(c, p, e);
        (void)sqlite3_reset(c->decisions);
        return r;
}

static bool is_treated(const Context *c, int64_t process, int64_t at) {
        for (size_t i = 0; i < c->n_treated; i++)
                if (c->treated[i].process == process && at >= c->treated[i].from &&
                    at < c->treated[i].until)
                        return true;
        return false;
}

void context_join(const Context *c, const PlaybackProcess *p, int64_t at, int64_t stream,
                  Cell *cells) {
        ssize_t psi = asof_find(c->psi, c->n_psi, 0, at, c->tolerance);
        ssize_t decided = asof_find(c->decided, c->n_decided, p->process, at, c->tolerance);
        size_t n = 0;

        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = at};
        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = stream};
        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = p->process};
        cells[n++] = (Cell){.kind = CELL_TEXT, .text = p->comm};
        cells[n++] = (Cell){.kind = CELL_TEXT, .text = p->exe};
        cells[n++] = (Cell){.kind = CELL_TEXT, .text = p->unit};
        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = is_treated(c, p->process, at)};
        cells[n++] = (Cell){.kind = CELL_TEXT, .text = decided >= 0 ? c->kinds[decided] : NULL};
        for (int i = 0; i < 2 * _PSI_COUNT; i++) {
                double v = psi >= 0 ? c->shares[psi][i] : -1;

                cells[n++] = (Cell){.kind = v >= 0 ? CELL_FLOAT : CELL_NONE, .number = v};
        }
}
