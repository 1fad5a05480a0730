/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pace.h"

#include "util/macro.h"

static const struct {
        const char *name, *sentence;
} reasons[_PACE_REASON_COUNT] = {
        [PACE_FIXED] = {"fixed", "interval_max is not above interval"},
        [PACE_STARTING] = {"starting", "it has not been quiet for long"},
        [PACE_QUIET] = {"quiet", "nothing changes and nothing waits"},
        [PACE_BLIND] = {"blind", "quiet, but the kernel would not tell of pressure"},
        [PACE_FAILED] = {"failed", "the last look failed"},
        [PACE_TRIAL] = {"trial", "a trial goes on"},
        [PACE_TREATED] = {"treated", "something is demoted"},
        [PACE_CONTENDED] = {"contended", "a resource is contended"},
        [PACE_HOG] = {"hog", "something runs that would be demoted if others waited"},
        [PACE_CHANGED] = {"changed", "something was decided in the last look"},
        [PACE_PRESSURE_HIGH] = {"pressure", "processes stall for CPU, I/O or memory"},
        [PACE_BORN] = {"born", "many processes are new"},
        [PACE_WATCHED] = {"watched", "a client asked a moment ago"},
        [PACE_WOKEN] = {"woken", "pressure or a storm of new programs ended the pause"},
};

const char *pace_reason_to_string(PaceReason r) {
        return (size_t)r < ELEMENTSOF(reasons) ? reasons[r].name : NULL;
}

const char *pace_reason_sentence(PaceReason r) {
        return (size_t)r < ELEMENTSOF(reasons) ? reasons[r].sentence : NULL;
}

/* Why the machine is not quiet; PACE_QUIET: it is. */
static PaceReason judge(const PaceInput *in) {
        const struct {
                bool holds;
                PaceReason reason;
        } signs[] = {
                {in->failed, PACE_FAILED},
                {in->trial, PACE_TRIAL},
                {in->n_treated > 0, PACE_TREATED},
                {in->contended, PACE_CONTENDED},
                {in->n_decisions > 0, PACE_CHANGED},
                {in->hog, PACE_HOG},
                {in->n_born >= PACE_BIRTHS, PACE_BORN},
                {in->watched, PACE_WATCHED},
        };

        for (size_t i = 0; i < ELEMENTSOF(signs); i++)
                if (signs[i].holds)
                        return signs[i].reason;
        for (size_t i = 0; i < ELEMENTSOF(in->pressure); i++)
                if (in->pressure[i] >= PACE_PRESSURE)
                        return PACE_PRESSURE_HIGH;
        return PACE_QUIET;
}

usec_t pace_next(Pace *p, const PaceInput *in, usec_t base, usec_t max) {
        PaceReason reason = max > base ? judge(in) : PACE_FIXED;
        usec_t limit = in->triggers ? max : MIN(max, PACE_BLIND_MAX);

        if (reason != PACE_QUIET) {
                *p = (Pace){.interval = base, .reason = reason};
                return base;
        }
        if (++p->quiet < PACE_QUIET_LOOKS || limit <= base) {
                p->quiet = MIN(p->quiet, (uint32_t)PACE_QUIET_LOOKS);
                p->interval = base;
                p->reason = limit <= base ? PACE_BLIND : PACE_STARTING;
                return base;
        }
        p->quiet = PACE_QUIET_LOOKS;
        p->interval = CLAMP(p->interval * 2, base, limit);
        p->reason = p->interval == limit && limit < max ? PACE_BLIND : PACE_QUIET;
        return p->interval;
}

void pace_wake(Pace *p, usec_t base, PaceReason why) {
        *p = (Pace){.interval = base, .reason = why};
}

bool pace_is_stretched(const Pace *p, usec_t base) {
        return p->interval > base;
}
