/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/labelling.h"

#include <errno.h>
#include <fnmatch.h>

#include "policy/class.h"

void labelling_done(Labelling *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->rules[i].comm);
                free(l->rules[i].exe);
        }
        free(l->rules);
        for (size_t i = 0; i < l->n_runs; i++) {
                free(l->runs[i]->comms);
                free(l->runs[i]);
        }
        free(l->runs);
        *l = LABELLING_INIT;
}

static int copy_pattern(sqlite3_stmt *q, int column, char **ret) {
        const unsigned char *text = sqlite3_column_text(q, column);

        if (!text)
                return 0;
        *ret = strdup((const char *)text);
        return *ret ? 0 : -ENOMEM;
}

static int read_rule(sqlite3_stmt *q, LabelRule *rule) {
        int r;

        *rule = (LabelRule){
                .id = sqlite3_column_int64(q, 0),
                .load_class = class_from_string(sql_text(q, 1)),
                .pid = (pid_t)sqlite3_column_int64(q, 5),
                .since = sqlite3_column_type(q, 6) == SQLITE_NULL ? INT64_MIN
                                                                  : sqlite3_column_int64(q, 6),
                .until = sqlite3_column_type(q, 7) == SQLITE_NULL ? INT64_MAX
                                                                  : sqlite3_column_int64(q, 7),
        };
        if (rule->load_class < 0)
                rule->load_class = -1;
        snprintf(rule->program, sizeof(rule->program), "%s", sql_text(q, 2));
        r = copy_pattern(q, 3, &rule->comm);
        return r < 0 ? r : copy_pattern(q, 4, &rule->exe);
}

int labelling_read(Store *store, Labelling *ret, Error *e) {
        _cleanup_(labelling_done)
        Labelling l = LABELLING_INIT;
        _cleanup_statement_ sqlite3_stmt *q = NULL;
        int r;

        r = sql_prepare(store->db,
                        "SELECT label, class, program, comm, exe, pid, since, until FROM labels "
                        "ORDER BY label DESC",
                        &q, e);
        while (r >= 0 && (r = sql_step(q, e)) > 0) {
                LabelRule *grown = reallocarray(l.rules, l.n + 1, sizeof(*grown));

                if (!grown)
                        return error_set(e, -ENOMEM, "out of memory");
                l.rules = grown;
                r = read_rule(q, &l.rules[l.n++]);
                if (r < 0)
                        return error_set(e, r, "out of memory");
        }
        if (r < 0)
                return r;
        *ret = l;
        l = LABELLING_INIT;
        return 0;
}

static bool rule_fits(const LabelRule *rule, const PlaybackProcess *p) {
        return (rule->pid == 0 || rule->pid == p->pid) &&
               (!rule->comm || fnmatch(rule->comm, p->comm, 0) == 0) &&
               (!rule->exe || (p->exe && fnmatch(rule->exe, p->exe, 0) == 0));
}

const LabelRule *labelling_find(const Labelling *l, const PlaybackProcess *p, int64_t at,
                                int64_t *ret_until) {
        int64_t until = INT64_MAX;

        for (size_t i = 0; i < l->n; i++) {
                const LabelRule *rule = &l->rules[i];

                if (at > rule->until || !rule_fits(rule, p))
                        continue;
                if (at >= rule->since) {
                        *ret_until = MIN(until, rule->until);
                        return rule;
                }
                until = MIN(until, rule->since - 1);
        }
        *ret_until = until;
        return NULL;
}

void labelling_program_name(const char *comm, char ret[PROGRAM_NAME_MAX]) {
        size_t i;

        for (i = 0; i < PROGRAM_NAME_MAX - 1 && comm[i]; i++) {
                const char one[] = {comm[i], '\0'};

                ret[i] = program_name_is_valid(one) ? comm[i] : '_';
        }
        ret[i] = '\0';
        if (i == 0)
                snprintf(ret, PROGRAM_NAME_MAX, "unnamed");
}

static LabelRun *make_run(Labelling *l) {
        LabelRun **grown = reallocarray(l->runs, l->n_runs + 1, sizeof(LabelRun *));
        LabelRun *run;

        if (!grown)
                return NULL;
        l->runs = grown;
        run = calloc(1, sizeof(*run));
        if (!run)
                return NULL;
        run->comms = calloc(1, sizeof(*run->comms));
        if (!run->comms) {
                free(run);
                return NULL;
        }
        run->n_comms = 1;
        l->runs[l->n_runs++] = run;
        return run;
}

static usec_t since_boot(int64_t at, int64_t epoch) {
        return at == INT64_MAX ? USEC_INFINITY : at > epoch ? (usec_t)(at - epoch) : 0;
}

/* Of two that fit everything. */
static bool comm_equals(const LabelComm *a, const LabelComm *b) {
        return a->ignored == b->ignored && a->intent == b->intent && streq(a->program, b->program);
}

const LabelRun *labelling_run(Labelling *l, const PlaybackProcess *p, int64_t at, int64_t epoch,
                              int64_t stream) {
        int64_t until = INT64_MAX;
        const LabelRule *rule = labelling_find(l, p, at, &until);
        LabelComm comm;
        LabelRun *run;
        char name[PROGRAM_NAME_MAX + 24];
        usec_t end = since_boot(until, epoch);

        comm = (LabelComm){.pattern = "*", .ignored = rule && rule->load_class < 0};
        if (rule && rule->load_class >= 0)
                comm.intent = (LoadClass)rule->load_class;
        if (rule && rule->program[0])
                snprintf(comm.program, sizeof(comm.program), "%s", rule->program);
        else
                labelling_program_name(p->comm, comm.program);
        if (rule)
                snprintf(name, sizeof(name), "%.30s.%lld", comm.program, (long long)stream);
        else
                snprintf(name, sizeof(name), LABELLING_NOTHING);
        for (size_t i = l->n_runs; i-- > 0;)
                if (l->runs[i]->end == end && streq(l->runs[i]->name, name) &&
                    comm_equals(&l->runs[i]->comms[0], &comm))
                        return l->runs[i];
        run = make_run(l);
        if (!run)
                return NULL;
        run->end = end;
        run->comms[0] = comm;
        snprintf(run->name, sizeof(run->name), "%.*s", PROGRAM_NAME_MAX - 1, name);
        return run;
}
