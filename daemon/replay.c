/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>

#include "daemon/config.h"
#include "daemon/recording-reader.h"
#include "models/feature.h"

/* ---- decisions ---- */

int recorded_decision_to(const RecordedDecision *r, Decision *ret) {
        Decision d = {
                .kind = (DecisionKind)r->kind,
                .pid = r->pid,
                .start = r->start,
                .parent = r->parent,
                .load_class = (LoadClass)r->load_class,
                .verdict = (Verdict)r->verdict,
                .victim = r->victim,
                .victim_delay = r->victim_delay,
                .treatment =
                        {
                                .set = r->treatment,
                                .nice = (int8_t)r->nice,
                                .sched = (uint8_t)r->sched,
                                .ioprio_class = (uint8_t)r->ioprio_class,
                                .ioprio_level = (uint8_t)r->ioprio_level,
                                .autogroup_nice = (int8_t)r->autogroup_nice,
                                .slice_usec = r->slice_usec,
                                .cpu_weight = r->cpu_weight,
                                .io_weight = r->io_weight,
                                .unit_cpu_weight = r->unit_cpu_weight,
                                .unit_io_weight = r->unit_io_weight,
                                .cpus = r->cpus,
                        },
        };

        if (r->kind > DECISION_RELEASE_UNIT || r->load_class >= _CLASS_COUNT ||
            r->verdict >= _VERDICT_COUNT || !text_ends(r->victim_comm, sizeof(r->victim_comm)) ||
            !text_ends(r->comm, sizeof(r->comm)) || !text_ends(r->tunable, sizeof(r->tunable)) ||
            !text_ends(r->value, sizeof(r->value)) || !text_ends(r->unit, sizeof(r->unit)))
                return -EBADMSG;
        memcpy(&d.confidence, &r->confidence, sizeof(d.confidence));
        memcpy(d.victim_comm, r->victim_comm, sizeof(d.victim_comm));
        memcpy(d.comm, r->comm, sizeof(d.comm));
        memcpy(d.tunable, r->tunable, sizeof(d.tunable));
        memcpy(d.value, r->value, sizeof(d.value));
        memcpy(d.unit, r->unit, sizeof(d.unit));
        *ret = d;
        return 0;
}

#define FIELD(name) \
        { #name, offsetof(RecordedDecision, name), sizeof(((RecordedDecision *)0)->name) }
static const struct {
        const char *name;
        size_t offset, size;
} decision_fields[] = {
        FIELD(kind),
        FIELD(pid),
        FIELD(start),
        FIELD(parent),
        FIELD(load_class),
        FIELD(confidence),
        FIELD(verdict),
        FIELD(victim),
        FIELD(victim_delay),
        FIELD(victim_comm),
        FIELD(comm),
        FIELD(tunable),
        FIELD(value),
        FIELD(treatment),
        FIELD(nice),
        FIELD(sched),
        FIELD(ioprio_class),
        FIELD(ioprio_level),
        FIELD(autogroup_nice),
        FIELD(slice_usec),
        FIELD(cpu_weight),
        FIELD(io_weight),
        FIELD(cpus),
        FIELD(unit),
        FIELD(unit_cpu_weight),
        FIELD(unit_io_weight),
};
#undef FIELD

/* The first field that differs, or NULL. */
static const char *decision_difference(const RecordedDecision *a, const RecordedDecision *b) {
        for (size_t i = 0; i < ELEMENTSOF(decision_fields); i++)
                if (memcmp((const char *)a + decision_fields[i].offset,
                           (const char *)b + decision_fields[i].offset,
                           decision_fields[i].size) != 0)
                        return decision_fields[i].name;
        return NULL;
}

static void decision_log(FILE *log, uint64_t tick, const char *what, const Decision *d) {
        static const char *const kinds[] = {
                [DECISION_APPLY] = "apply",
                [DECISION_ADOPT] = "adopt",
                [DECISION_RELEASE] = "release",
                [DECISION_TUNE] = "tune",
                [DECISION_UNTUNE] = "untune",
                [DECISION_DEMOTE_UNIT] = "demote-unit",
                [DECISION_RELEASE_UNIT] = "release-unit",
        };

        if (!log)
                return;
        fprintf(log, "%s tick %" PRIu64 " %s ", what, tick, kinds[d->kind]);
        if (d->kind == DECISION_TUNE || d->kind == DECISION_UNTUNE)
                fprintf(log, "%s=%s\n", d->tunable, d->value);
        else if (d->unit[0])
                fprintf(log, "%s for %d (%s) verdict %s\n", d->unit, d->pid, d->comm,
                        verdict_to_string(d->verdict));
        else
                fprintf(log, "%d (%s) class %s confidence %.3f verdict %s victim %d (%s) %u us/s\n",
                        d->pid, d->comm, class_to_string(d->load_class), (double)d->confidence,
                        verdict_to_string(d->verdict), d->victim, d->victim_comm, d->victim_delay);
}

/* ---- replay ---- */

typedef struct Replay {
        Reader reader;
        Model *model;
        Pipeline *pipeline;
        bool observed; /* a sample is in, its decisions are not out yet */
        FILE *log;
        ReplayResult result;
} Replay;

static void replay_done(Replay *r) {
        pipeline_free(r->pipeline);
        reader_done(&r->reader);
}

static int replay_read_policy(Replay *r, const char *json, size_t size, Policy *ret, Error *e) {
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;
        Error inner = ERROR_INIT;
        int k;

        k = policy_init_default(&p);
        if (k >= 0)
                k = config_apply_json(&p, json, size, "its policy", &inner);
        if (k == -ENOMEM)
                return error_set(e, k, "%s: out of memory", r->reader.path);
        if (k < 0)
                return reader_damaged(&r->reader, e, "%s", inner.text);
        *ret = p;
        p = POLICY_INIT;
        return 0;
}

static int replay_begin(Replay *r, Model *model, Error *e) {
        _cleanup_(policy_done)
        Policy policy = POLICY_INIT;
        RecordedHeader header;
        int k;

        k = reader_header(&r->reader, &header, e);
        if (k < 0)
                return k;
        if (header.schema != feature_schema_hash())
                return error_set(e, -EPROTO,
                                 "%s: was recorded with another feature table (%016" PRIx64
                                 "; this program's is %016" PRIx64 ")",
                                 r->reader.path, header.schema, feature_schema_hash());
        if (!streq(header.model, model->name) || !streq(header.digest, model->digest))
                return error_set(e, -EXDEV,
                                 "%s: was recorded with model %s (%.12s), not with %s (%.12s)",
                                 r->reader.path, header.model,
                                 header.digest[0] ? header.digest : "no digest", model->name,
                                 model->digest[0] ? model->digest : "no digest");
        k = replay_read_policy(r, r->reader.payload + sizeof(header),
                               r->reader.head.size - sizeof(header), &policy, e);
        if (k < 0)
                return k;
        k = pipeline_new(&policy, model, header.self, &r->pipeline);
        return k < 0 ? error_set(e, k, "%s: %s", r->reader.path, strerror(-k)) : 0;
}

static int replay_sample(Replay *r, Error *e) {
        const pid_t *wanted;
        size_t n_wanted;
        Sample sample;
        int k;

        k = reader_sample(&r->reader, &sample, e);
        if (k < 0)
                return k;
        k = pipeline_observe(r->pipeline, &sample, &wanted, &n_wanted);
        if (k < 0)
                return error_set(e, k, "%s: %s", r->reader.path, strerror(-k));
        r->observed = true;
        r->result.n_samples++;
        return 0;
}

static int replay_ident(Replay *r, Error *e) {
        Ident ident;
        pid_t pid;
        bool known;
        int k;

        k = reader_ident(&r->reader, &pid, &ident, &known, e);
        if (k < 0)
                return k;
        pipeline_set_ident(r->pipeline, pid, known ? &ident : NULL);
        return 0;
}

static int replay_unit(Replay *r, Error *e) {
        const RecordedPid *head = (const RecordedPid *)r->reader.payload;
        const char *unit = r->reader.payload + sizeof(*head);
        size_t size = r->reader.head.size - sizeof(*head);

        if (head->number > 1 || strnlen(unit, size) != size - 1)
                return reader_damaged(&r->reader, e, "a unit's path is not one text");
        pipeline_note_unit(r->pipeline, unit, head->number);
        return 0;
}

static int replay_priors(Replay *r, Error *e) {
        size_t n = r->reader.head.size / sizeof(PriorEntry);
        int k;

        if (r->reader.head.size % sizeof(PriorEntry) != 0)
                return reader_damaged(&r->reader, e, "what is known of programs is cut");
        k = pipeline_set_priors(r->pipeline, (const PriorEntry *)r->reader.payload, n);
        if (k == -EINVAL)
                return reader_damaged(&r->reader, e, "what is known of a program is impossible");
        return k < 0 ? error_set(e, k, "%s: %s", r->reader.path, strerror(-k)) : 0;
}

static int replay_forget(Replay *r, Error *e) {
        const char *exe = r->reader.payload + sizeof(RecordedPid);
        size_t size = r->reader.head.size - sizeof(RecordedPid);

        if (strnlen(exe, size) != size - 1)
                return reader_damaged(&r->reader, e, "an executable's path is not one text");
        (void)pipeline_forget_priors(r->pipeline, exe[0] ? exe : NULL);
        return 0;
}

static int replay_policy(Replay *r, Error *e) {
        _cleanup_(policy_done)
        Policy policy = POLICY_INIT;
        int k;

        k = replay_read_policy(r, r->reader.payload, r->reader.head.size, &policy, e);
        if (k < 0)
                return k;
        k = pipeline_set_policy(r->pipeline, &policy);
        return k < 0 ? error_set(e, k, "%s: %s", r->reader.path, strerror(-k)) : 0;
}

static int replay_compare(Replay *r, const RecordedDecision *recorded, const Decision *now,
                          Error *e) {
        RecordedDecision again;
        const char *difference = "presence";
        Decision d;

        if (recorded && recorded_decision_to(recorded, &d) < 0)
                return reader_damaged(&r->reader, e, "a decision is impossible");
        if (recorded && now) {
                recorded_decision_from(now, &again);
                difference = decision_difference(recorded, &again);
        }
        if (!difference) {
                decision_log(r->log, r->result.n_samples, "same", now);
                return 0;
        }
        r->result.n_different++;
        if (r->log)
                fprintf(r->log, "tick %" PRIu64 " differs in %s:\n", r->result.n_samples,
                        difference);
        if (recorded)
                decision_log(r->log, r->result.n_samples, "  recorded", &d);
        if (now)
                decision_log(r->log, r->result.n_samples, "  replayed", now);
        return 0;
}

static int replay_decisions(Replay *r, Error *e) {
        const RecordedCount *count = (const RecordedCount *)r->reader.payload;
        const RecordedDecision *recorded = (const RecordedDecision *)(r->reader.payload +
                                                                      sizeof(*count));
        const Decision *now;
        size_t n_now;
        int k;

        if (count->n > RECORDING_DECISIONS_MAX ||
            r->reader.head.size != sizeof(*count) + count->n * sizeof(*recorded))
                return reader_damaged(&r->reader, e, "the decisions' size does not fit");
        if (!r->observed)
                return reader_damaged(&r->reader, e, "decisions without a sample");
        k = pipeline_decide(r->pipeline, &now, &n_now);
        if (k < 0)
                return error_set(e, k, "%s: %s", r->reader.path, strerror(-k));
        r->observed = false;
        r->result.n_decisions += count->n;
        for (size_t i = 0; i < MAX(count->n, n_now); i++) {
                k = replay_compare(r, i < count->n ? &recorded[i] : NULL,
                                   i < n_now ? &now[i] : NULL, e);
                if (k < 0)
                        return k;
        }
        return 0;
}

static int replay_feedback(Replay *r, Error *e) {
        const RecordedCount *outcome = (const RecordedCount *)r->reader.payload;
        Decision d;

        if (outcome->n >= _OUTCOME_COUNT ||
            recorded_decision_to((const RecordedDecision *)(r->reader.payload + sizeof(*outcome)),
                                 &d) < 0)
                return reader_damaged(&r->reader, e, "an outcome is impossible");
        pipeline_feedback(r->pipeline, &d, (Outcome)outcome->n);
        return 0;
}

/* Another model's predictions cannot be had again from this one. */
static int replay_model(Replay *r, Error *e) {
        const RecordedModel *frame = (const RecordedModel *)r->reader.payload;

        if (strnlen(frame->model, sizeof(frame->model)) == sizeof(frame->model) ||
            strnlen(frame->digest, sizeof(frame->digest)) == sizeof(frame->digest) ||
            !frame->model[0])
                return reader_damaged(&r->reader, e, "a model's name is not one text");
        if (streq(frame->model, r->model->name) && streq(frame->digest, r->model->digest))
                pipeline_set_model(r->pipeline, r->model);
        else
                memcpy(r->result.next_model, frame->model, sizeof(r->result.next_model));
        return 0;
}

static int replay_frame(Replay *r, Error *e) {
        const RecordedPid *head = (const RecordedPid *)r->reader.payload;

        switch (r->reader.head.type) {
        case FRAME_SAMPLE:
                return replay_sample(r, e);
        case FRAME_IDENT:
                return replay_ident(r, e);
        case FRAME_EXEC:
                pipeline_note_exec(r->pipeline, head->pid);
                return 0;
        case FRAME_POLICY:
                return replay_policy(r, e);
        case FRAME_PRIORS:
                return replay_priors(r, e);
        case FRAME_FORGET:
                return replay_forget(r, e);
        case FRAME_TRIAL:
                if (head->number >= _MODE_COUNT)
                        return reader_damaged(&r->reader, e, "a trial's mode is impossible");
                pipeline_set_trial(r->pipeline, head->pid, (Mode)head->number);
                return 0;
        case FRAME_ROLLBACK:
                pipeline_note_rollback(r->pipeline, head->pid);
                return 0;
        case FRAME_TREATED:
                pipeline_note_treated(r->pipeline, head->pid, head->start);
                return 0;
        case FRAME_UNIT:
                return replay_unit(r, e);
        case FRAME_DECISIONS:
                return replay_decisions(r, e);
        case FRAME_FEEDBACK:
                return replay_feedback(r, e);
        case FRAME_MODEL:
                return replay_model(r, e);
        default:
                return reader_damaged(&r->reader, e, "a second header");
        }
}

int recording_replay(const char *path, Model *model, FILE *log, ReplayResult *ret, Error *e) {
        _cleanup_(replay_done)
        Replay r = {.model = model, .log = log};
        int k;

        k = reader_open(&r.reader, path, e);
        if (k >= 0)
                k = replay_begin(&r, model, e);
        if (k < 0)
                return k;
        while (!r.result.next_model[0] && (k = reader_next(&r.reader, e)) > 0) {
                k = replay_frame(&r, e);
                if (k < 0)
                        return k;
        }
        if (k < 0)
                return k;
        r.result.torn = r.reader.torn;
        *ret = r.result;
        return 0;
}
