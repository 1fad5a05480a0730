/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The two kinds of rows that `export` makes share options and what is joined to them. */

#include "record/asof.h"
#include "record/labelling.h"
#include "record/playback.h"
#include "record/sheet.h"

typedef struct ExportOptions {
        const char *database, *output;
        SheetFormat format;
        int64_t since, until; /* µs since 1970 */
        usec_t tolerance;     /* 0: two intervals */
        usec_t horizon;
        bool raw, standardise, context, label_required;
} ExportOptions;

/* What is joined to a row: pressure, and what was decided about the process. */
typedef struct Context {
        Store *store;
        usec_t tolerance;
        sqlite3_stmt *decisions; /* of a tick */
        AsofEntry *psi, *decided;
        double (*shares)[2 * _PSI_COUNT]; /* beside psi: s/s since the entry before; < 0: unknown */
        const char **kinds;               /* beside decided */
        size_t n_psi, n_decided, n_psi_allocated, n_decided_allocated;
        Psi last[_PSI_COUNT];
        int64_t last_at; /* 0: there is none to compare with */
        struct {
                int64_t process, from, until;
        } treated[512]; /* demotions that are in force, or were a short time ago */
        size_t n_treated;
} Context;

extern const char *const context_columns[];
extern const size_t n_context_columns;

int context_init(Context *c, Store *store, usec_t tolerance, Error *e);
void context_done(Context *c);
/* A tick's entries; p: whose pids its decisions name. */
int context_take(Context *c, const PlaybackTick *tick, const Playback *p, Error *e);
/* n_context_columns cells as of a moment. */
void context_join(const Context *c, const PlaybackProcess *p, int64_t at, int64_t stream,
                  Cell *cells);

/* Calls emit for every row. Returns 0 or -errno with *e set; what emit returns where that is < 0.
 */
typedef int (*ExportEmit)(void *userdata, const Cell *cells, Error *e);
int export_features(const ExportOptions *o, Store *store, Context *context, ExportEmit emit,
                    void *userdata, Error *e);
int export_raw(const ExportOptions *o, Store *store, Context *context, ExportEmit emit,
               void *userdata, Error *e);
/* The columns in front of the context's. Returns how many; ret has room for 128. */
size_t export_features_columns(const char **ret);
size_t export_raw_columns(const char **ret);
/* Where in a row the features are. */
size_t export_first_feature(void);
