/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/pipeline-internal.h"

void pipeline_get_status(const Pipeline *p, PipelineStatus *ret) {
        const Judge *j = &p->judge;
        const Contention *c = &j->contention;

        *ret = (PipelineStatus){
                .at = j->at,
                .n_procs = j->table.n,
                .n_treated = j->n_treated,
                .n_inferred = p->n_rows,
                .n_skipped = p->n_skipped,
                .victim = p->victim,
                .victim_delay = p->victim_delay,
                .busy_share = c->busy,
                .changes_last_minute = (uint32_t)j->n_changes,
        };
        memcpy(ret->pressure, p->psi_some, sizeof(ret->pressure));
        for (size_t i = 0; i < j->table.n; i++)
                ret->n_born += j->table.procs[i]->born;
        for (int k = 0; k < _CONTENTION_COUNT; k++) {
                ret->hog |= c->hog[k];
                ret->contended[k] = c->lasting[k];
                ret->contended_since[k] = c->lasting[k] ? c->since[k] : 0;
        }
        memcpy(ret->victim_comm, p->victim_comm, sizeof(ret->victim_comm));
}

size_t pipeline_count(const Pipeline *p) {
        return p->judge.table.n;
}

static void fill_view(const Pipeline *p, const Proc *proc, ProcView *ret) {
        const UnitState *unit = unit_table_find_id(&p->judge.units, proc->unit);

        *ret = (ProcView){
                .sample = proc->sample,
                .ident = proc->ident,
                .prediction = proc->prediction,
                .load_class = proc->load_class,
                .confidence = proc->confidence,
                .prior_weight = proc->prior_weight,
                .prior_processes = proc->prior.processes,
                .prior_other_build = proc->prior.other_build,
                .verdict = proc->verdict,
                .verdict_since = proc->verdict_since,
                .treated = proc->treated,
                .dormant = proc->dormant,
                .inferred = proc->row >= 0,
                .cpu_share = proc->load.cpu,
                .delay_share = proc->load.delay,
                .churn_share = proc->load.churn,
                .brood = proc->brood.active,
                .io_bytes_rate = proc->load.io_bytes,
                .victim = proc->victim,
                .victim_delay = proc->victim_delay,
                .lowered = unit ? unit->path : NULL,
                .rule = proc->rule ? proc->rule->name : NULL,
        };
        memcpy(ret->victim_comm, proc->victim_comm, sizeof(ret->victim_comm));
        if (proc->seen.at != 0)
                memcpy(ret->row, proc->seen.row, sizeof(ret->row));
}

void pipeline_get_proc(const Pipeline *p, size_t index, ProcView *ret) {
        fill_view(p, p->judge.table.procs[index], ret);
}

int pipeline_find_proc(const Pipeline *p, pid_t pid, ProcView *ret) {
        const Proc *proc = proc_table_find(&p->judge.table, pid);

        if (!proc)
                return -ESRCH;
        fill_view(p, proc, ret);
        return 0;
}
