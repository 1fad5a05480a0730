/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>

#include "models/train/labels.h"

#include "models/train/json-file.h"

void labels_done(Labels *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->runs[i].comms);
                free(l->runs[i].phases);
        }
        free(l->runs);
        *l = LABELS_INIT;
}

static int read_comm(const char *where, const char *pattern, json_object *value, LabelComm *ret,
                     Error *e) {
        const char *program, *name;
        int r;

        *ret = (LabelComm){.ignored = !value};
        if (snprintf(ret->pattern, sizeof(ret->pattern), "%s", pattern) >=
            (int)sizeof(ret->pattern))
                return error_set(e, -EINVAL, "%s: pattern '%.40s…' is too long", where, pattern);
        if (!value)
                return 0;
        if (!json_object_is_type(value, json_type_object))
                return error_set(e, -EINVAL, "%s: '%s' is neither null nor an object", where,
                                 pattern);
        r = json_file_string(value, "program", where, &program, e);
        if (r < 0)
                return r;
        if (!program_name_is_valid(program))
                return error_set(e, -EINVAL, "%s: '%.60s' is not a program name", where, program);
        snprintf(ret->program, sizeof(ret->program), "%s", program);
        r = json_file_string(value, "class", where, &name, e);
        if (r < 0)
                return r;
        r = class_from_string(name);
        if (r < 0)
                return error_set(e, -EINVAL, "%s: unknown class '%.40s'", where, name);
        ret->intent = (LoadClass)r;
        return 0;
}

static int read_comms(const char *where, json_object *o, LabelRun *run, Error *e) {
        json_object *comms = NULL;
        int r;

        if (!json_object_object_get_ex(o, "comms", &comms) ||
            !json_object_is_type(comms, json_type_object))
                return error_set(e, -EINVAL, "%s: 'comms' is missing or not an object", where);
        run->comms = calloc(MAX(json_object_object_length(comms), 1), sizeof(*run->comms));
        if (!run->comms)
                return -ENOMEM;
        json_object_object_foreach(comms, pattern, value) {
                r = read_comm(where, pattern, value, &run->comms[run->n_comms], e);
                if (r < 0)
                        return r;
                run->n_comms++;
        }
        return 0;
}

static int read_phase(const char *where, json_object *o, LabelPhase *ret, Error *e) {
        json_object *value = NULL;
        double start;
        const char *name;
        int r;

        if (!json_object_is_type(o, json_type_object))
                return error_set(e, -EINVAL, "%s: not an object", where);
        r = json_file_double(o, "start", where, &start, e);
        if (r < 0)
                return r;
        if (!(start >= 0 && start <= 1e12))
                return error_set(e, -EINVAL, "%s: start must be seconds since boot", where);
        ret->start = (usec_t)(start * 1e6);
        if (!json_object_object_get_ex(o, "class", &value))
                return error_set(e, -EINVAL, "%s: 'class' is missing: a class, \"intent\" or null",
                                 where);
        ret->kind = PHASE_NONE;
        if (!value)
                return 0;
        r = json_file_string(o, "class", where, &name, e);
        if (r < 0)
                return r;
        ret->kind = PHASE_INTENT;
        if (streq(name, "intent"))
                return 0;
        r = class_from_string(name);
        if (r < 0)
                return error_set(e, -EINVAL,
                                 "%s: '%.40s' is neither a class nor \"intent\" nor null", where,
                                 name);
        ret->kind = PHASE_CLASS;
        ret->load_class = (LoadClass)r;
        return 0;
}

static int read_phases(const char *where, json_object *o, LabelRun *run, Error *e) {
        json_object *phases = NULL;
        size_t n;

        if (!json_object_object_get_ex(o, "phases", &phases))
                return 0;
        if (!json_object_is_type(phases, json_type_array) || json_object_array_length(phases) == 0)
                return error_set(e, -EINVAL, "%s: 'phases' is not a list of phases", where);
        n = json_object_array_length(phases);
        run->phases = calloc(n, sizeof(*run->phases));
        if (!run->phases)
                return -ENOMEM;
        for (; run->n_phases < n; run->n_phases++) {
                LabelPhase *phase = &run->phases[run->n_phases];
                char which[640];
                int r;

                snprintf(which, sizeof(which), "%s: phase %zu", where, run->n_phases + 1);
                r = read_phase(which, json_object_array_get_idx(phases, run->n_phases), phase, e);
                if (r < 0)
                        return r;
                if (run->n_phases > 0 && phase->start < phase[-1].start)
                        return error_set(e, -EINVAL, "%s: begins before the one before it", which);
        }
        return 0;
}

static int read_run(const char *path, size_t index, json_object *o, LabelRun *run, Error *e) {
        const char *name;
        char where[512];
        double root, start, end;
        int r;

        snprintf(where, sizeof(where), "%s: run %zu", path, index + 1);
        if (!json_object_is_type(o, json_type_object))
                return error_set(e, -EINVAL, "%s: not an object", where);
        r = json_file_string(o, "run", where, &name, e);
        if (r < 0)
                return r;
        if (!program_name_is_valid(name))
                return error_set(e, -EINVAL, "%s: '%.60s' is not a name", where, name);
        snprintf(run->name, sizeof(run->name), "%s", name);
        snprintf(where, sizeof(where), "%s: run '%s'", path, run->name);
        if ((r = json_file_double(o, "root", where, &root, e)) < 0 ||
            (r = json_file_double(o, "start", where, &start, e)) < 0 ||
            (r = json_file_double(o, "end", where, &end, e)) < 0)
                return r;
        if (root < 1 || root > INT_MAX || start < 0 || end < start || end > 1e12)
                return error_set(e, -EINVAL, "%s: root must be a process id and 0 <= start <= end",
                                 where);
        run->root = (pid_t)root;
        run->start = (usec_t)(start * 1e6);
        run->end = (usec_t)(end * 1e6);
        r = read_comms(where, o, run, e);
        return r < 0 ? r : read_phases(where, o, run, e);
}

int labels_read(const char *path, Labels *ret, Error *e) {
        _cleanup_(labels_done)
        Labels l = LABELS_INIT;
        _cleanup_json_ json_object *o = NULL;
        json_object *runs = NULL;
        size_t n;
        int r;

        r = json_file_read(path, &o, e);
        if (r < 0)
                return r;
        if (!json_object_object_get_ex(o, "runs", &runs) ||
            !json_object_is_type(runs, json_type_array))
                return error_set(e, -EINVAL, "%s: 'runs' is missing or not a list", path);
        n = json_object_array_length(runs);
        l.runs = calloc(MAX(n, (size_t)1), sizeof(*l.runs));
        if (!l.runs)
                return -ENOMEM;
        for (; l.n < n;) {
                l.n++; /* what read_run() allocated before it failed is freed with the rest */
                r = read_run(path, l.n - 1, json_object_array_get_idx(runs, l.n - 1),
                             &l.runs[l.n - 1], e);
                if (r < 0)
                        return r;
        }
        *ret = l;
        l = LABELS_INIT;
        return 0;
}

const LabelComm *label_run_find(const LabelRun *run, const char *comm) {
        for (size_t i = 0; i < run->n_comms; i++)
                if (fnmatch(run->comms[i].pattern, comm, 0) == 0)
                        return run->comms[i].ignored ? NULL : &run->comms[i];
        return NULL;
}

int label_run_class(const LabelRun *run, LoadClass intent, usec_t from, usec_t to, LoadClass *ret) {
        usec_t covered[_CLASS_COUNT] = {0}, none = to - from, most = 0;
        int best = -1;

        if (from < run->start || to > run->end)
                return -ENODATA;
        if (run->n_phases == 0) {
                *ret = intent;
                return 0;
        }
        for (size_t i = 0; i < run->n_phases; i++) {
                const LabelPhase *phase = &run->phases[i];
                usec_t end = i + 1 < run->n_phases ? phase[1].start : run->end;
                usec_t first = MAX(phase->start, from), last = MIN(end, to);
                LoadClass c = phase->kind == PHASE_CLASS ? phase->load_class : intent;

                if (phase->kind == PHASE_NONE || first >= last)
                        continue;
                covered[c] += last - first;
                none -= last - first;
        }
        /* Of equals the one that comes first in time. */
        for (size_t i = 0; i < run->n_phases; i++) {
                const LabelPhase *phase = &run->phases[i];
                LoadClass c = phase->kind == PHASE_CLASS ? phase->load_class : intent;
                bool ended = i + 1 < run->n_phases && phase[1].start <= from;

                if (phase->kind != PHASE_NONE && !ended && covered[c] > most) {
                        most = covered[c];
                        best = (int)c;
                }
        }
        if (best < 0 || none > most)
                return -ENODATA;
        *ret = (LoadClass)best;
        return 0;
}
