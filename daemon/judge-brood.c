/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/judge-brood.h"

#include <math.h>

#define ANCESTORS_MAX 64
#define USEC_PER_START_TICK (USEC_PER_SEC / START_TICKS_PER_SEC)
/* What a brood does comes in bursts: it is judged by about so much of the past. */
#define BROOD_MEMORY (2 * USEC_PER_SEC)
/* Children so young tell what a brood is made of. */
#define YOUNG (5 * USEC_PER_SEC)
/* Children that execute something else than their parent and burn CPU are work that somebody set
 * going; children of the same program may as well be a server's. */
#define CHURN_IS_BATCH 0.85f
/* Between fork and exec a child goes by its parent's name: short ones are often met like that. */
#define OTHERS_AMONG 5.0f
/* A brood that was demoted gets little done, and is one all the same. */
#define DEMAND_LEFT 0.002f
/* make(1) sleeps and wakes for a moment, as what is protected does. What raised a brood for so long
 * is no shell that somebody sits at. */
#define PROVED_AFTER (3 * USEC_PER_SEC)

float brood_churn(const Proc *p, const ProcSample *now, const ProcSample *prev, usec_t dt) {
        uint64_t before = prev ? prev->child_exec_ns : 0, spent;

        if (!(now->valid & SAMPLE_CHILDREN) || (prev && !(prev->valid & SAMPLE_CHILDREN)) ||
            dt == 0 || now->child_exec_ns <= before)
                return 0;
        spent = now->child_exec_ns - before;
        return spent > p->reaped_ns ? (float)((double)(spent - p->reaped_ns) * 1e-3 / (double)dt)
                                    : 0;
}

/* Whether no brood reaches beyond it. */
static bool is_boundary(Judge *j, Proc *p) {
        const ProcSample *s = &p->sample;

        if (s->pid == 1 || s->pid == j->self || s->kthread || s->zombie || s->has_rt ||
            (p->was_protected && !p->brood.proved) || (s->has_tty && s->sid == s->pid))
                return true;
        if (p->rule && (p->rule->exempt || (p->rule->load_class >= 0 &&
                                            class_is_protected((LoadClass)p->rule->load_class))))
                return true;
        judge_find_scope(j, p);
        return !(p->in_scope || p->in_trial);
}

/* The topmost process from p up, within its session, that raises such children itself; NULL: none.
 */
static Proc *find_root(Judge *j, Proc *p, float least) {
        Proc *root = NULL;

        for (size_t n = 0; p && n < ANCESTORS_MAX && !is_boundary(j, p); n++) {
                Proc *parent = proc_table_parent(&j->table, p);

                if (p->brood.churn >= least)
                        root = p;
                if (parent && parent->sample.sid != p->sample.sid)
                        break;
                p = parent;
        }
        return root;
}

static float decayed(float old, float now, float left) {
        return left * old + (1 - left) * now;
}

/* A brood's name is its own; what its members are called tells whether they are of its kind. */
static void count_member(Brood *b, const Proc *root, const Proc *p) {
        float demand = p->load.measured ? p->load.cpu + p->load.delay : 0;

        b->now.demand += demand;
        if (memcmp(root->sample.comm, p->sample.comm, sizeof(p->sample.comm)) == 0)
                b->now.same++;
        else
                b->now.others++;
        if (!p->classed || p->brood.active)
                return;
        for (int c = 0; c < _CLASS_COUNT; c++)
                b->now.votes[c] += demand * p->prediction.probability[c];
}

static void count_churn(Brood *b, float churn) {
        float batch = b->others * OTHERS_AMONG > b->same ? CHURN_IS_BATCH : 1.0f / _CLASS_COUNT;

        b->now.demand += churn;
        for (int c = 0; c < _CLASS_COUNT; c++)
                b->now.votes[c] += churn * (c == CLASS_BATCH
                                                    ? batch
                                                    : (1 - batch) / (float)(_CLASS_COUNT - 1));
}

static void remember(Proc *p, float left) {
        Brood *b = &p->brood;

        b->others = decayed(b->others, b->now.others, left);
        b->same = decayed(b->same, b->now.same, left);
        count_churn(b, p->load.churn);
        b->demand = decayed(b->demand, b->now.demand, left);
        for (int c = 0; c < _CLASS_COUNT; c++)
                b->votes[c] = decayed(b->votes[c], b->now.votes[c], left);
        b->now = (BroodTick){};
        if (b->demand < DEMAND_LEFT / 2)
                b->demand = 0;
}

/* The class that most is used in, and how sure that is. */
static float hear_votes(const Judge *j, const Proc *p, Prediction *ret, LoadClass *ret_class) {
        const Brood *b = &p->brood;
        float sum = 0;

        *ret = (Prediction){};
        for (int c = 0; c < _CLASS_COUNT; c++)
                sum += b->votes[c];
        for (int c = 0; c < _CLASS_COUNT && sum > 0; c++)
                ret->probability[c] = b->votes[c] / sum;
        *ret_class = prediction_class(ret);
        return judge_confidence(j, p, ret, *ret_class);
}

static void set_class(Judge *j, Proc *p, const Prediction *word, LoadClass c, float confidence,
                      usec_t dt) {
        p->prediction = *word;
        p->prior_weight = 0;
        p->dormant = false;
        p->classed = true;
        judge_set_class(j, p, c, confidence, j->at - MIN(j->at, dt));
}

/* A forced class is what the administrator says that it is, whatever its children do; and where
 * those do not tell, it is what it is itself. */
static void judge_root(Judge *j, Proc *p, usec_t dt) {
        const float least = j->policy.thresholds.hog_share;
        Brood *b = &p->brood;
        float needed = b->active ? (p->treated ? DEMAND_LEFT : least / 4) : least, confidence;
        bool was_active = b->active;
        Prediction word;
        LoadClass c;

        confidence = hear_votes(j, p, &word, &c);
        b->active = b->demand >= needed && confidence >= j->policy.thresholds.confidence &&
                    !(p->rule && p->rule->load_class >= 0) && !is_boundary(j, p);
        if (b->active)
                set_class(j, p, &word, c, confidence, dt);
        else if (was_active)
                p->seen.at = 0; /* the model is asked again what it is itself */
}

/* make(1) below make(1): it is what the topmost is. */
static void judge_member(Judge *j, Proc *p, const Proc *root, usec_t dt) {
        p->brood.active = root->brood.active && !(p->rule && p->rule->load_class >= 0);
        if (p->brood.active)
                set_class(j, p, &root->prediction, root->load_class, root->confidence, dt);
}

static void follow(Judge *j, Proc *p, usec_t dt) {
        Brood *b = &p->brood;
        float left = (float)exp(-(double)dt / (double)BROOD_MEMORY);

        b->churn = decayed(b->churn, p->load.churn, left);
        if (b->churn < DEMAND_LEFT / 2)
                b->churn = 0;
        /* A shell that was typed at first does not become anything else by what is typed. */
        if (b->churn < j->policy.thresholds.hog_share / 2 || (p->was_protected && !b->proved))
                b->since = 0;
        else if (b->since == 0)
                b->since = j->at;
        b->proved |= b->since > 0 && j->at - b->since >= PROVED_AFTER;
}

static bool is_young(const Judge *j, const Proc *p) {
        return p->sample.start * USEC_PER_START_TICK + YOUNG > j->at && !p->sample.kthread &&
               !p->sample.zombie;
}

static bool is_followed(const Brood *b) {
        return b->active || b->churn > 0 || b->demand > 0;
}

/* Hands each young process and each that raises children to the topmost that does. */
static void gather(Judge *j) {
        const float least = j->policy.thresholds.hog_share / 2;

        for (size_t i = 0; i < j->table.n; i++) {
                Proc *p = j->table.procs[i], *root = NULL;

                p->brood.root = 0;
                if (p->load.churn <= 0 && p->brood.churn <= 0 && !is_young(j, p))
                        continue;
                root = find_root(j, p, least);
                if (!root || root == p)
                        continue;
                p->brood.root = root->sample.pid;
                root->load.churn += p->load.churn;
                p->load.churn = 0;
                if (is_young(j, p))
                        count_member(&root->brood, root, p);
        }
}

void judge_broods(Judge *j, usec_t dt) {
        const float least = j->policy.thresholds.hog_share / 2;
        float left = (float)exp(-(double)dt / (double)BROOD_MEMORY);
        bool any = false;

        if (dt == 0)
                return;
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *p = j->table.procs[i];

                if (p->load.churn > 0 || is_followed(&p->brood)) {
                        follow(j, p, dt);
                        any = true;
                }
        }
        if (!any)
                return;
        gather(j);
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *p = j->table.procs[i];

                if (!is_followed(&p->brood))
                        continue;
                remember(p, left);
                if (p->brood.root == 0)
                        judge_root(j, p, dt);
        }
        for (size_t i = 0; i < j->table.n; i++) {
                Proc *p = j->table.procs[i], *root = NULL;

                if (p->brood.root == 0 || !is_followed(&p->brood))
                        continue;
                root = proc_table_find(&j->table, p->brood.root);
                if (root && p->brood.churn >= least)
                        judge_member(j, p, root, dt);
                else
                        p->brood.active = false;
        }
}

bool judge_brood_covers(const Judge *j, const Proc *p) {
        const Proc *root = p->brood.root > 0 && is_young(j, p)
                                   ? proc_table_find(&j->table, p->brood.root)
                                   : NULL;

        return root && root->brood.active &&
               (root->verdict == VERDICT_TREATED || root->verdict == VERDICT_DWELL);
}

usec_t judge_brood_held(const Judge *j, const Proc *p) {
        for (size_t n = 0; p && p->adopted && n < ANCESTORS_MAX; n++)
                p = proc_table_parent(&j->table, p);
        return p && p->treated && p->brood.active ? p->held_at : 0;
}
