/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows as the daemon's model saw them, labelled by what came next: models/train/extract.h. */
#include <errno.h>
#include <math.h>
#include <sys/mman.h>

#include "models/train/extract.h"
#include "record/export-internal.h"

/* As models/train/row-table.h has them; a test compares. */
static const char *const fixed_columns[] = {"program", "run", "pid", "t", "label", "dormant"};

#define N_FIXED ELEMENTSOF(fixed_columns)

typedef struct Export {
        const ExportOptions *options;
        Store *store;
        Context *context;
        ExportEmit emit;
        void *userdata;
        Playback *playback;
        Labelling labelling;
        Labels runs; /* of an imported recording */
        Extract *extract;
        RowTable table;
        PlaybackTick tick;
        int64_t begun;    /* the first tick of all */
        int64_t first_at; /* the extract's first tick */
} Export;

static void export_done(Export *x) {
        extract_free(x->extract);
        row_table_done(&x->table);
        labels_done(&x->runs);
        labelling_done(&x->labelling);
        playback_close(x->playback);
}

size_t export_first_feature(void) {
        return N_FIXED;
}

size_t export_features_columns(const char **ret) {
        for (size_t i = 0; i < N_FIXED; i++)
                ret[i] = fixed_columns[i];
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                ret[N_FIXED + i] = feature_table[i].name;
        return N_FIXED + FEATURE_COUNT;
}

static const LabelRun *find_run(const ProcSample *p, usec_t at, void *userdata) {
        Export *x = userdata;
        const PlaybackProcess *process = playback_find(x->playback, p->pid);
        int64_t until;

        if (!process)
                return NULL;
        /* What an imported recording says of it stands where nobody says anything else. */
        if (x->runs.n > 0 && !labelling_find(&x->labelling, process, x->tick.at, &until))
                return NULL;
        return labelling_run(&x->labelling, process, x->tick.at, x->tick.at - (int64_t)at,
                             x->tick.stream);
}

/* The runs of the stream, one JSON object each, in the form that labels_read() takes. */
static int read_runs(Export *x, Error *e) {
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        _cleanup_fclose_
        FILE *f = NULL;
        char path[40];
        size_t n = 0;
        int r, fd;

        labels_done(&x->runs);
        x->runs = LABELS_INIT;
        r = sql_prepare(x->store->db, "SELECT json FROM runs WHERE stream = ?1 ORDER BY run", &q,
                        e);
        if (r < 0)
                return r;
        sqlite3_bind_int64(q, 1, x->tick.stream);
        fd = memfd_create("runs", MFD_CLOEXEC);
        f = fd < 0 ? NULL : fdopen(fd, "w");
        if (!f)
                return error_set(e, -errno, "cannot make room for runs: %s", strerror(errno));
        fputs("{\"runs\": [", f);
        while ((r = sql_step(q, e)) > 0)
                fprintf(f, "%s%s", n++ > 0 ? ",\n" : "", sql_text(q, 0));
        fputs("]}", f);
        if (r < 0 || n == 0)
                return r;
        if (fflush(f) != 0)
                return error_set(e, -EIO, "cannot write runs");
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return labels_read(path, &x->runs, e);
}

/* Nothing that was before is known: histories begin anew, as those of a daemon that was started. */
static int begin(Export *x, Error *e) {
        int r;

        x->extract = extract_free(x->extract);
        x->table.n = 0;
        r = read_runs(x, e);
        if (r < 0)
                return r;
        r = extract_new(&x->runs, &x->table, &x->extract);
        if (r < 0)
                return error_set(e, r, "out of memory");
        extract_set_finder(x->extract, find_run, x);
        extract_set_horizon(x->extract, x->options->horizon);
        x->first_at = x->tick.at;
        return 0;
}

static int emit_row(Export *x, const Row *row, Error *e) {
        int64_t at = x->first_at + llround(row->at * 1e6);
        const PlaybackProcess *p = playback_find(x->playback, row->pid);
        bool labelled = !streq(row->run, LABELLING_NOTHING);
        Cell cells[128];
        size_t n = 0;

        if (at < x->options->since || !p || (x->options->label_required && !labelled))
                return 0;
        cells[n++] = (Cell){.kind = CELL_TEXT, .text = row->program};
        cells[n++] = (Cell){.kind = CELL_TEXT, .text = row->run};
        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = row->pid};
        cells[n++] = (Cell){.kind = CELL_SECONDS, .number = (double)(at - x->begun) / 1e6};
        cells[n++] = (Cell){.kind = CELL_TEXT,
                            .text = labelled ? class_to_string(row->label) : NULL};
        cells[n++] = (Cell){.kind = CELL_INTEGER, .integer = row->dormant};
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                cells[n++] = (Cell){.kind = CELL_FLOAT, .number = (double)row->x[i]};
        if (x->options->context)
                context_join(x->context, p, at, x->tick.stream, &cells[n]);
        return x->emit(x->userdata, cells, e);
}

_Static_assert(N_FIXED + FEATURE_COUNT + 14 <= 128, "a row's cells");

static int take_tick(Export *x, Error *e) {
        int r = 0;

        if (x->begun == 0)
                x->begun = MAX(x->tick.at, x->options->since);
        if (x->tick.fresh)
                r = begin(x, e);
        if (r >= 0)
                r = context_take(x->context, &x->tick, x->playback, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < x->tick.n_execs; i++)
                extract_note_exec(x->extract, x->tick.execs[i]);
        r = extract_sample(x->extract, &x->tick.sample);
        if (r < 0)
                return error_set(e, r, "out of memory");
        for (size_t i = 0; r >= 0 && i < x->table.n; i++)
                r = emit_row(x, &x->table.rows[i], e);
        x->table.n = 0;
        return r;
}

int export_features(const ExportOptions *o, Store *store, Context *context, ExportEmit emit,
                    void *userdata, Error *e) {
        _cleanup_(export_done)
        Export x = {.options = o,
                    .store = store,
                    .context = context,
                    .emit = emit,
                    .userdata = userdata,
                    .labelling = LABELLING_INIT,
                    .runs = LABELS_INIT,
                    .table = ROW_TABLE_INIT};
        int r;

        r = labelling_read(store, &x.labelling, e);
        if (r >= 0)
                r = playback_open(store, o->since, o->until, &x.playback, e);
        while (r >= 0 && (r = playback_next(x.playback, &x.tick, e)) > 0)
                r = take_tick(&x, e);
        return r;
}
