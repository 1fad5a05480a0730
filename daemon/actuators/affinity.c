/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/actuators/actuator.h"

#include <errno.h>
#include <sched.h>

#include "util/macro.h"

#define CPUS_LEAST 1024
#define CPUS_MOST 65536

static void cpu_freep(cpu_set_t **set) {
        if (*set)
                CPU_FREE(*set);
}

/* The kernel refuses a mask shorter than its own with EINVAL. */
static int get_cpus(pid_t tid, cpu_set_t **ret, int *ret_n) {
        for (int n = CPUS_LEAST; n <= CPUS_MOST; n *= 2) {
                _cleanup_(cpu_freep)
                cpu_set_t *set = CPU_ALLOC((size_t)n);

                if (!set)
                        return -ENOMEM;
                CPU_ZERO_S(CPU_ALLOC_SIZE(n), set);
                if (sched_getaffinity(tid, CPU_ALLOC_SIZE(n), set) >= 0) {
                        *ret = TAKE_PTR(set);
                        *ret_n = n;
                        return 0;
                }
                if (errno != EINVAL)
                        return -errno;
        }
        return -EOVERFLOW;
}

/* "0-3,8": as the kernel writes lists. -EOVERFLOW where it does not fit. */
static int format_cpus(const cpu_set_t *set, int n, char value[ACTUATOR_VALUE_MAX]) {
        size_t size = CPU_ALLOC_SIZE(n), at = 0;

        value[0] = '\0';
        for (int i = 0; i < n; i++) {
                int last = i, k;

                if (!CPU_ISSET_S((size_t)i, size, set))
                        continue;
                while (last + 1 < n && CPU_ISSET_S((size_t)last + 1, size, set))
                        last++;
                if (last > i)
                        k = snprintf(value + at, ACTUATOR_VALUE_MAX - at, "%s%d-%d", at ? "," : "",
                                     i, last);
                else
                        k = snprintf(value + at, ACTUATOR_VALUE_MAX - at, "%s%d", at ? "," : "", i);
                if (k < 0 || (size_t)k >= ACTUATOR_VALUE_MAX - at)
                        return -EOVERFLOW;
                at += (size_t)k;
                i = last;
        }
        return 0;
}

static int parse_cpus(const char *value, cpu_set_t **ret, int *ret_n) {
        _cleanup_(cpu_freep)
        cpu_set_t *set = CPU_ALLOC(CPUS_MOST);
        size_t size = CPU_ALLOC_SIZE(CPUS_MOST);
        int highest = 0;

        if (!set)
                return -ENOMEM;
        CPU_ZERO_S(size, set);
        for (const char *p = value;;) {
                unsigned long first, last;
                char *end;

                if (*p < '0' || *p > '9')
                        return -EINVAL;
                first = last = strtoul(p, &end, 10);
                if (*end == '-') {
                        p = end + 1;
                        if (*p < '0' || *p > '9')
                                return -EINVAL;
                        last = strtoul(p, &end, 10);
                }
                if (last < first || last >= CPUS_MOST)
                        return -ERANGE;
                for (unsigned long i = first; i <= last; i++)
                        CPU_SET_S(i, size, set);
                highest = MAX(highest, (int)last);
                if (*end == '\0')
                        break;
                if (*end != ',')
                        return -EINVAL;
                p = end + 1;
        }
        *ret = TAKE_PTR(set);
        *ret_n = highest + 1;
        return 0;
}

static int affinity_probe(ActuatorContext *c, Error *e) {
        _cleanup_(cpu_freep)
        cpu_set_t *set = NULL;
        int r, n = 0;

        r = get_cpus(0, &set, &n);
        if (r < 0)
                return error_set(e, -EOPNOTSUPP, "sched_getaffinity: %s", strerror(-r));
        if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
                return error_set(e, -ENOTTY, "there is only one CPU");
        return 0;
}

static int affinity_read(ActuatorContext *c, const ActuatorTarget *t,
                         char value[ACTUATOR_VALUE_MAX]) {
        _cleanup_(cpu_freep)
        cpu_set_t *set = NULL;
        int r, n = 0;

        r = get_cpus(t->tid, &set, &n);
        return r < 0 ? r : format_cpus(set, n, value);
}

static int affinity_plan(ActuatorContext *c, const Treatment *t, const char *old,
                         char ret_new[ACTUATOR_VALUE_MAX]) {
        _cleanup_(cpu_freep)
        cpu_set_t *set = NULL;
        size_t size = CPU_ALLOC_SIZE(CPUS_MOST);
        int r, n = 0;

        if (!(t->set & TREAT_CPUS))
                return 0;
        r = parse_cpus(old, &set, &n);
        if (r < 0)
                return r;
        for (int i = 0; i < n; i++)
                if (i >= 64 || !(t->cpus & UINT64_C(1) << i))
                        CPU_CLR_S((size_t)i, size, set);
        if (CPU_COUNT_S(size, set) == 0)
                return 0;
        r = format_cpus(set, n, ret_new);
        return r < 0 ? r : !streq(old, ret_new);
}

static int affinity_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        _cleanup_(cpu_freep)
        cpu_set_t *set = NULL;
        int r, n = 0;

        r = parse_cpus(value, &set, &n);
        if (r < 0)
                return r;
        return sched_setaffinity(t->tid, CPU_ALLOC_SIZE(n), set) < 0 ? -errno : 0;
}

const Actuator actuator_affinity = {
        .name = "affinity",
        .what = "CPUs that every thread may use",
        .level = ACTUATOR_THREAD,
        .fields = TREAT_CPUS,
        .probe = affinity_probe,
        .read = affinity_read,
        .plan = affinity_plan,
        .apply = affinity_apply,
};
