/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pipeline-prior.h"

void proc_find_prior(Proc *p, const PriorTable *t, usec_t at) {
        if (p->prior_known || !p->ident)
                return;
        prior_get(t, p->ident, p->sample.comm, (int64_t)at, &p->prior);
        p->prior_known = true;
}

void proc_forget_prior(Proc *p) {
        p->prior = (Prior){};
        p->prior_known = false;
        p->prior_weight = 0;
        p->lesson = 0;
}

void proc_teach(Proc *p, PriorTable *t, const Prediction *own, usec_t dt, usec_t at) {
        if (!p->ident || p->lesson >= PRIOR_LESSON)
                return;
        prior_learn(t, p->ident, p->sample.comm, own, p->lesson, dt, (int64_t)at);
        p->lesson += dt;
}

bool proc_predict(Proc *p, const Prediction *own) {
        uint32_t n = own ? MAX(p->history.n_intervals, 1U) : 0;

        p->prior_weight = prior_weight(&p->prior, n);
        if (own)
                p->prediction = *own;
        else if (p->prior_weight > 0)
                /* What is not known may be anything. */
                for (int c = 0; c < _CLASS_COUNT; c++)
                        p->prediction.probability[c] = 1.0f / _CLASS_COUNT;
        else
                return false;
        if (p->prior_weight > 0)
                prior_blend(&p->prior, p->prior_weight, &p->prediction);
        return true;
}

bool proc_is_known_as(const Proc *p, LoadClass c) {
        return p->prior_weight > 0 && p->prior.strength >= PRIOR_STRONG &&
               prediction_class(&p->prior.prediction) == c;
}
