/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "policy/tunable.h"
#include "util/io.h"
#include "util/macro.h"

/* Ranges are narrower than the kernel's where its extremes harm: swappiness 0 invites the OOM
 * killer, dirty ratios near 100 stall every writer at once. Sources: the kernel's
 * Documentation/admin-guide/sysctl/{vm,kernel}.rst, Documentation/block/queue-sysfs.rst,
 * Documentation/admin-guide/{mm/transhuge,pm/cpufreq}.rst. */
const Tunable tunable_table[] = {
        {
                .name = "block.read_ahead_kb",
                .path = "sys/block/*/queue/read_ahead_kb",
                .kind = TUNABLE_NUMBER,
                .min = 0,
                .max = 16384,
                .unit = "KiB",
                .what = "how far sequential reads run ahead of the reader",
                .why = "more helps streaming from slow disks, less helps random reads",
        },
        {
                .name = "block.scheduler",
                .path = "sys/block/*/queue/scheduler",
                .kind = TUNABLE_CHOICE,
                .choices = "none mq-deadline bfq kyber",
                .unit = "",
                .what = "the order in which a disk's requests are served",
                .why = "bfq and mq-deadline honour I/O priorities, none is cheapest on fast disks",
        },
        {
                .name = "transparent_hugepage.enabled",
                .path = "sys/kernel/mm/transparent_hugepage/enabled",
                .kind = TUNABLE_CHOICE,
                .choices = "always madvise never",
                .unit = "",
                .what = "which memory may be backed by huge pages",
                .why = "always helps large heaps, madvise saves memory and latency elsewhere",
        },
        {
                .name = "transparent_hugepage.defrag",
                .path = "sys/kernel/mm/transparent_hugepage/defrag",
                .kind = TUNABLE_CHOICE,
                .choices = "always defer defer+madvise madvise never",
                .unit = "",
                .what = "whether a fault compacts memory to get a huge page",
                .why = "defer keeps compaction out of the faults of latency-sensitive programs",
        },
        {
                .name = "vm.swappiness",
                .path = "proc/sys/vm/swappiness",
                .kind = TUNABLE_NUMBER,
                .min = 1,
                .max = 200,
                .unit = "",
                .what = "how readily anonymous memory is swapped rather than page cache dropped",
                .why = "less keeps programs resident while something streams through the cache",
        },
        {
                .name = "vm.dirty_background_ratio",
                .path = "proc/sys/vm/dirty_background_ratio",
                .kind = TUNABLE_NUMBER,
                .min = 1,
                .max = 50,
                .unit = "%",
                .what = "dirty memory at which write-back begins in the background",
                .why = "less spreads write-back out, so that readers meet shorter queues",
        },
        {
                .name = "vm.dirty_ratio",
                .path = "proc/sys/vm/dirty_ratio",
                .kind = TUNABLE_NUMBER,
                .min = 2,
                .max = 80,
                .unit = "%",
                .what = "dirty memory at which writers have to write back themselves",
                .why = "less bounds the longest stall of a writer",
        },
        {
                .name = "vm.vfs_cache_pressure",
                .path = "proc/sys/vm/vfs_cache_pressure",
                .kind = TUNABLE_NUMBER,
                .min = 1,
                .max = 1000,
                .unit = "%",
                .what = "how readily dentries and inodes are reclaimed against page cache",
                .why = "less keeps file lookups fast beside a streaming load",
        },
        {
                .name = "cpufreq.scaling_governor",
                .path = "sys/devices/system/cpu/cpufreq/*/scaling_governor",
                .kind = TUNABLE_CHOICE,
                .choices = "performance powersave schedutil ondemand conservative",
                .unit = "",
                .what = "how the CPU's frequency is chosen",
                .why = "performance saves the ramp-up that short bursts feel",
        },
        {
                .name = "cpufreq.energy_performance_preference",
                .path = "sys/devices/system/cpu/cpufreq/*/energy_performance_preference",
                .kind = TUNABLE_CHOICE,
                .choices = "default performance balance_performance balance_power power",
                .unit = "",
                .what = "the hint that hardware-managed frequencies follow",
                .why = "performance where waits are felt, power where nothing waits",
        },
        {
                .name = "kernel.sched_autogroup_enabled",
                .path = "proc/sys/kernel/sched_autogroup_enabled",
                .kind = TUNABLE_NUMBER,
                .min = 0,
                .max = 1,
                .unit = "bool",
                .what = "whether each session is a scheduling group of its own",
                .why = "1 shares the CPUs between sessions whatever number of tasks each runs",
        },
        {.name = NULL},
};

const Tunable *tunable_find(const char *name) {
        for (const Tunable *t = tunable_table; t->name; t++)
                if (streq(t->name, name))
                        return t;
        return NULL;
}

static bool choices_contain(const char *choices, const char *value) {
        size_t n = strlen(value);

        if (n == 0 || strchr(value, ' '))
                return false;
        for (const char *p = choices; *p;) {
                size_t word = strcspn(p, " ");

                if (word == n && strncmp(p, value, n) == 0)
                        return true;
                p += word;
                p += strspn(p, " ");
        }
        return false;
}

int tunable_check(const Tunable *t, const char *value, Error *e) {
        int64_t number;
        int r;

        if (t->kind == TUNABLE_CHOICE) {
                if (choices_contain(t->choices, value))
                        return 0;
                return error_set(e, -EINVAL, "%s: \"%s\" is not one of: %s", t->name, value,
                                 t->choices);
        }

        r = parse_i64(value, t->min, t->max, &number);
        if (r < 0)
                return error_set(e, r, "%s: \"%s\" is not a number from %lld to %lld%s%s", t->name,
                                 value, (long long)t->min, (long long)t->max, t->unit[0] ? " " : "",
                                 t->unit);
        return 0;
}
