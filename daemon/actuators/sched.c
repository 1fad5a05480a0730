/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/actuators/actuator.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>

#include "util/io.h"
#include "util/macro.h"

/* As include/uapi/linux/sched/types.h has it; glibc has the call only since 2.41. */
typedef struct SchedAttr {
        uint32_t size;
        uint32_t sched_policy;
        uint64_t sched_flags;
        int32_t sched_nice;
        uint32_t sched_priority;
        uint64_t sched_runtime; /* SCHED_OTHER, BATCH since 6.12: the slice, ns */
        uint64_t sched_deadline;
        uint64_t sched_period;
        uint32_t sched_util_min;
        uint32_t sched_util_max;
} SchedAttr;

_Static_assert(sizeof(SchedAttr) == 56, "SCHED_ATTR_SIZE_VER1");

#define SCHED_ATTR_SIZE_VER0 48
#define FLAG_RESET_ON_FORK 0x01
#define POLICY_EXT 7
#define SLICE_MAX 100000000u /* ns; the kernel clamps to it */

/* By number; a number rises with how low the policy ranks for those that we set. */
static const char *const policy_names[] = {
        [SCHED_OTHER] = "other", [SCHED_FIFO] = "fifo", [SCHED_RR] = "rr",
        [SCHED_BATCH] = "batch", [SCHED_IDLE] = "idle", [6] = "deadline",
        [POLICY_EXT] = "ext",
};

typedef struct SchedState {
        int policy;
        int nice;
        uint32_t slice; /* ns, 0: the default */
        bool reset_on_fork;
} SchedState;

static int attr_get(pid_t tid, SchedAttr *ret) {
        SchedAttr a = {.size = sizeof(a)};

        if (syscall(SYS_sched_getattr, tid, &a, sizeof(a), 0) < 0)
                return -errno;
        *ret = a;
        return 0;
}

static int attr_set(pid_t tid, SchedAttr *a) {
        a->size = sizeof(*a);
        if (syscall(SYS_sched_setattr, tid, a, 0) >= 0)
                return 0;
        if (errno != E2BIG)
                return -errno;
        a->size = SCHED_ATTR_SIZE_VER0;
        return syscall(SYS_sched_setattr, tid, a, 0) < 0 ? -errno : 0;
}

static bool is_fair(int policy) {
        return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

static void state_format(const SchedState *s, char value[ACTUATOR_VALUE_MAX]) {
        (void)snprintf(value, ACTUATOR_VALUE_MAX, "%s nice=%d slice=%" PRIu32 " reset=%d",
                       policy_names[s->policy], s->nice, s->slice, s->reset_on_fork);
}

/* Only what state_format() writes for a fair policy: nothing else is ever set. */
static int state_parse(const char *value, SchedState *ret) {
        char policy[16], nice[16], slice[16], reset[16], again[ACTUATOR_VALUE_MAX];
        SchedState s = {.policy = -1};
        uint64_t u;
        int64_t i;

        if (sscanf(value, "%15s nice=%15[-0-9] slice=%15[0-9] reset=%15[01]", policy, nice, slice,
                   reset) != 4)
                return -EINVAL;
        for (int p = 0; p < (int)ELEMENTSOF(policy_names); p++)
                if (policy_names[p] && streq(policy_names[p], policy))
                        s.policy = p;
        if (!is_fair(s.policy) || parse_i64(nice, -20, 19, &i) < 0)
                return -EINVAL;
        s.nice = (int)i;
        if (parse_u64(slice, 0, SLICE_MAX, &u) < 0)
                return -EINVAL;
        s.slice = (uint32_t)u;
        s.reset_on_fork = reset[0] == '1';
        state_format(&s, again);
        if (!streq(again, value))
                return -EINVAL;
        *ret = s;
        return 0;
}

/*
 * Asks the kernel what a slice is where none was set, by clearing and putting back our own: only
 * the caller's thread is touched. Kernels before 6.12 report 0 and take no slice.
 */
static uint32_t find_default_slice(void) {
        SchedAttr before = {0}, after = {0}, clear;
        int r;

        if (attr_get(0, &before) < 0 || !is_fair((int)before.sched_policy) ||
            before.sched_runtime == 0)
                return 0;
        clear = before;
        clear.sched_runtime = 0;
        if (attr_set(0, &clear) < 0)
                return 0;
        r = attr_get(0, &after);
        if (r >= 0 && after.sched_runtime == before.sched_runtime)
                return (uint32_t)after.sched_runtime;
        (void)attr_set(0, &before);
        return r < 0 || after.sched_runtime > SLICE_MAX ? 0 : (uint32_t)after.sched_runtime;
}

static int sched_probe(ActuatorContext *c, Error *e) {
        SchedAttr a = {0};
        int r;

        r = attr_get(0, &a);
        if (r < 0)
                return error_set(e, -EOPNOTSUPP, "sched_getattr: %s", strerror(-r));
        c->default_slice = find_default_slice();
        if (c->default_slice == 0)
                (void)error_set(e, 0, "nice and policy; this kernel takes no slice");
        return 0;
}

static int sched_read(ActuatorContext *c, const ActuatorTarget *t, char value[ACTUATOR_VALUE_MAX]) {
        SchedState s;
        SchedAttr a = {0};
        int r;

        r = attr_get(t->tid, &a);
        if (r < 0)
                return r;
        if (a.sched_policy >= ELEMENTSOF(policy_names) || !policy_names[a.sched_policy])
                return -EOPNOTSUPP;
        if (!is_fair((int)a.sched_policy)) {
                (void)snprintf(value, ACTUATOR_VALUE_MAX, "%s prio=%" PRIu32 " reset=%d",
                               policy_names[a.sched_policy], a.sched_priority,
                               (a.sched_flags & FLAG_RESET_ON_FORK) != 0);
                return 0;
        }
        s = (SchedState){
                .policy = (int)a.sched_policy,
                .nice = a.sched_nice,
                .slice = a.sched_runtime == c->default_slice || a.sched_runtime > SLICE_MAX
                                 ? 0
                                 : (uint32_t)a.sched_runtime,
                .reset_on_fork = a.sched_flags & FLAG_RESET_ON_FORK,
        };
        state_format(&s, value);
        return 0;
}

static int sched_rank(int policy) {
        return policy == SCHED_IDLE ? 2 : policy == SCHED_BATCH ? 1 : 0;
}

static int sched_plan(ActuatorContext *c, const Treatment *t, const char *old,
                      char ret_new[ACTUATOR_VALUE_MAX]) {
        uint64_t slice = (uint64_t)t->slice_usec * 1000;
        SchedState s;

        if (state_parse(old, &s) < 0)
                return 0; /* real-time, deadline, sched_ext: not ours to touch */
        if ((t->set & TREAT_SCHED) && is_fair(t->sched) &&
            sched_rank(t->sched) > sched_rank(s.policy))
                s.policy = t->sched;
        /* Measured on 6.18: with SCHED_IDLE, sched_setattr(2) succeeds whatever nice and slice it
         * is given, and sched_getattr(2) then still has those from before, both for a thread that
         * is idle and for one that becomes so by that call. So both stay as they are. */
        if ((t->set & TREAT_NICE) && s.policy != SCHED_IDLE && t->nice <= 19)
                s.nice = MAX(s.nice, t->nice);
        /* A longer slice is a later deadline, so it lowers; a shorter one would raise. */
        if ((t->set & TREAT_SLICE) && s.policy != SCHED_IDLE && c->default_slice > 0 &&
            slice <= SLICE_MAX && slice > (s.slice ? s.slice : c->default_slice))
                s.slice = (uint32_t)slice;
        state_format(&s, ret_new);
        return !streq(old, ret_new);
}

static int sched_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        SchedAttr a = {0};
        SchedState s;
        int r;

        r = state_parse(value, &s);
        if (r < 0)
                return r;
        /* The whole state at once: a call without sched_runtime clears a slice. */
        a = (SchedAttr){
                .sched_policy = (uint32_t)s.policy,
                .sched_flags = s.reset_on_fork ? FLAG_RESET_ON_FORK : 0,
                .sched_nice = s.nice,
                .sched_runtime = s.slice,
        };
        return attr_set(t->tid, &a);
}

const Actuator actuator_sched = {
        .name = "sched",
        .what = "nice, scheduling policy and slice of every thread",
        .level = ACTUATOR_THREAD,
        .fields = TREAT_NICE | TREAT_SCHED | TREAT_SLICE,
        .probe = sched_probe,
        .read = sched_read,
        .plan = sched_plan,
        .apply = sched_apply,
};
