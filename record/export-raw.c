/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of counters: for each process and tick the last sample at or before it. */
#include "record/export-internal.h"
#include "record/schema.h"

static const char *const fixed_columns[] = {"pid", "start", "label", "moved"};

size_t export_raw_columns(const char **ret) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(fixed_columns); i++)
                ret[n++] = fixed_columns[i];
        for (size_t i = 0; i < n_sample_columns; i++)
                ret[n++] = sample_columns[i].name;
        return n;
}

typedef struct Raw {
        const ExportOptions *options;
        Context *context;
        Playback *playback;
        Labelling labelling;
        sqlite3_stmt *moved; /* processes of a tick that have a row of their own, by pid */
} Raw;

static void raw_done(Raw *raw) {
        labelling_done(&raw->labelling);
        playback_close(raw->playback);
        (void)sqlite3_finalize(raw->moved);
}

static int take_process(const Raw *raw, const PlaybackTick *tick, const ProcSample *s, bool moved,
                        ExportEmit emit, void *userdata, Error *e) {
        const PlaybackProcess *p = playback_find(raw->playback, s->pid);
        const LabelRule *rule;
        Cell cells[128];
        int64_t until;
        size_t n = 0;

        rule = labelling_find(&raw->labelling, p, tick->at, &until);
        if (raw->options->label_required && (!rule || rule->load_class < 0))
                return 0;
        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = s->pid};
        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = (int64_t)s->start};
        cells[n++] = (Cell){.kind = CELL_TEXT,
                            .text = rule && rule->load_class >= 0
                                            ? class_to_string((LoadClass)rule->load_class)
                                            : NULL};
        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = moved};
        for (size_t i = 0; i < n_sample_columns; i++)
                cells[n++] = (Cell){.kind = CELL_INTEGER,
                                    .integer = sample_column_get(&sample_columns[i], s)};
        if (raw->options->context)
                context_join(raw->context, p, tick->at, tick->stream, &cells[n]);
        return emit(userdata, cells, e);
}

static int take_tick(const Raw *raw, const PlaybackTick *tick, ExportEmit emit, void *userdata,
                     Error *e) {
        int r, more;

        r = context_take(raw->context, tick, raw->playback, e);
        if (r < 0 || tick->at < raw->options->since)
                return r;
        (void)sqlite3_reset(raw->moved);
        sqlite3_bind_int64(raw->moved, 1, tick->tick);
        more = sql_step(raw->moved, e);
        for (size_t i = 0; r >= 0 && more >= 0 && i < tick->sample.n_procs; i++) {
                const ProcSample *s = &tick->sample.procs[i];
                bool moved = more > 0 && sqlite3_column_int64(raw->moved, 0) == s->pid;

                if (moved)
                        more = sql_step(raw->moved, e);
                r = take_process(raw, tick, s, moved, emit, userdata, e);
        }
        (void)sqlite3_reset(raw->moved);
        return MIN(r, more < 0 ? more : r);
}

int export_raw(const ExportOptions *o, Store *store, Context *context, ExportEmit emit,
               void *userdata, Error *e) {
        _cleanup_(raw_done)
        Raw raw = {.options = o, .context = context, .labelling = LABELLING_INIT};
        PlaybackTick tick;
        int r;

        r = sql_prepare(store->db,
                        "SELECT p.pid FROM samples JOIN processes AS p USING(process) WHERE tick = "
                        "?1 ORDER BY p.pid",
                        &raw.moved, e);
        if (r >= 0)
                r = labelling_read(store, &raw.labelling, e);
        if (r >= 0)
                r = playback_open(store, o->since, o->until, &raw.playback, e);
        while (r >= 0 && (r = playback_next(raw.playback, &tick, e)) > 0)
                r = take_tick(&raw, &tick, emit, userdata, e);
        return r;
}
