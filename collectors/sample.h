/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One look at the machine: plain data, no pointers into the kernel, no behaviour.
 *
 * The BPF iterator and the /proc fallback fill the same struct; what a source cannot know has its
 * valid bit clear, and its value is 0 but means "unknown". Counters are cumulative since the
 * process began and belong to the whole thread group; a reader subtracts two samples.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"
#include "util/time.h"

/* ProcSample.start counts in these: the kernel's USER_HZ, 100 everywhere but on alpha. */
#define START_TICKS_PER_SEC 100

/* Groups of ProcSample fields that are known or unknown together. */
typedef enum SampleField {
        SAMPLE_EXEC = 1 << 0,       /* exec_ns */
        SAMPLE_DELAY = 1 << 1,      /* delay_ns, timeslices */
        SAMPLE_SWITCHES = 1 << 2,   /* nvcsw, nivcsw */
        SAMPLE_FAULTS = 1 << 3,     /* min_flt, maj_flt */
        SAMPLE_CHARS = 1 << 4,      /* rchar, wchar, syscr, syscw */
        SAMPLE_BLOCK = 1 << 5,      /* read_bytes, write_bytes */
        SAMPLE_MIGRATIONS = 1 << 6, /* migrations */
        SAMPLE_RSS = 1 << 7,        /* rss_bytes */
        SAMPLE_UTIL = 1 << 8,       /* util_avg */
        SAMPLE_SCHED = 1 << 9,      /* sched_policy, nice, has_rt */
        SAMPLE_GROUP = 1 << 10,     /* group_kind, group_id */
        SAMPLE_CGROUP = 1 << 11,    /* cgroup_id */
        SAMPLE_CPUS = 1 << 12,      /* cpus_allowed */
        SAMPLE_TTY = 1 << 13,       /* has_tty, sid */
        SAMPLE_IOWAIT = 1 << 14,    /* in_iowait */
        SAMPLE_UID = 1 << 15,       /* uid */
        SAMPLE_CHILDREN = 1 << 16,  /* child_exec_ns */
        SAMPLE_SYSTEM = 1 << 17,    /* system_ns */
        SAMPLE_RSS_ANON = 1 << 18,  /* rss_anon_bytes */
        SAMPLE_ALL = (1 << 19) - 1,
} SampleField;

/* What the scheduler weighs a task against: the group that its run queue entity belongs to. */
typedef enum SchedGroupKind {
        SCHED_GROUP_ROOT,      /* the root task group */
        SCHED_GROUP_AUTOGROUP, /* a session's autogroup; group_id is the number in
                                  /proc/PID/autogroup */
        SCHED_GROUP_CGROUP, /* a cgroup with the cpu controller; group_id is its kernfs id (inode)
                             */
        _SCHED_GROUP_KIND_COUNT,
} SchedGroupKind;

typedef struct ProcSample {
        pid_t pid;      /* thread group id, in the daemon's pid namespace */
        pid_t ppid;     /* parent's thread group id; 0: none */
        pid_t sid;      /* session id */
        uid_t uid;      /* real uid */
        uint64_t start; /* start since boot in clock ticks (100 Hz), as in /proc/PID/stat: with pid,
                           the identity */
        uint32_t valid; /* SampleField bits */
        uint32_t n_threads;   /* live threads */
        char comm[16];        /* leader's name, always ended by NUL */
        int8_t nice;          /* leader's, -20..19 */
        uint8_t sched_policy; /* leader's SCHED_* */
        uint8_t group_kind;   /* SchedGroupKind, leader's */
        bool kthread;         /* kernel thread */
        bool has_rt;          /* any thread is FIFO, RR or DEADLINE */
        bool has_tty;         /* has a controlling terminal */
        bool zombie;          /* leader is dead or dying and no thread lives */
        uint8_t pad;
        uint32_t in_iowait;    /* threads waiting for I/O at the moment of the sample */
        uint32_t util_avg;     /* PELT utilisation summed over threads, 1024 = one CPU */
        uint64_t group_id;     /* see SchedGroupKind */
        uint64_t cgroup_id;    /* kernfs id in the default (v2) hierarchy */
        uint64_t cpus_allowed; /* bit per CPU 0..63, union over threads */
        uint64_t exec_ns;      /* CPU time */
        uint64_t delay_ns;     /* run delay: runnable but waiting for a CPU */
        uint64_t timeslices;   /* times put on a CPU (sched_info.pcount) */
        uint64_t nvcsw;        /* voluntary switches */
        uint64_t nivcsw;       /* involuntary switches */
        uint64_t min_flt;
        uint64_t maj_flt;
        uint64_t rchar; /* bytes through read-like system calls */
        uint64_t wchar;
        uint64_t syscr; /* read-like system calls */
        uint64_t syscw;
        uint64_t read_bytes;  /* bytes fetched from storage */
        uint64_t write_bytes; /* bytes dirtied towards storage */
        uint64_t migrations;  /* moves between CPUs */
        uint64_t rss_bytes;
        uint64_t child_exec_ns; /* CPU time of children that ended and were waited for, and of
                                   theirs in turn */
        /* CPU time in the kernel. The iterator has the raw stime: on most kernels whole ticks
         * (1..10 ms), each charged to whoever runs at it, so right over many of them only, and
         * ahead of exec_ns at times. /proc has it scaled to exec_ns (cputime_adjust()), in steps
         * of 10 ms. */
        uint64_t system_ns;
        uint64_t rss_anon_bytes; /* of rss_bytes: neither files nor shared memory */
} ProcSample;

_Static_assert(sizeof(ProcSample) == 232,
               "ProcSample is written to recordings: bump RECORDING_VERSION with it");

typedef enum PsiResource { PSI_CPU, PSI_IO, PSI_MEMORY, _PSI_COUNT } PsiResource;

/* One /proc/pressure file; totals are cumulative microseconds of stall. */
typedef struct Psi {
        uint64_t some_total; /* µs in which at least one task waited */
        uint64_t full_total; /* µs in which all non-idle tasks waited */
        uint32_t valid;      /* 0: no PSI here */
        uint32_t pad;
} Psi;

typedef enum SampleSource { SAMPLE_SOURCE_BPF, SAMPLE_SOURCE_PROC } SampleSource;

typedef struct Sample {
        usec_t at;       /* CLOCK_BOOTTIME, when the walk began */
        uint32_t source; /* SampleSource */
        uint32_t n_cpus; /* online CPUs */
        Psi psi[_PSI_COUNT];
        size_t n_procs;
        size_t n_allocated;
        ProcSample *procs; /* sorted by pid, one per thread group */
} Sample;

#define SAMPLE_INIT ((Sample){.n_cpus = 1})

void sample_done(Sample *s);

/* Empties s and keeps its memory. */
void sample_clear(Sample *s);

/* Makes room for one more process and returns it zeroed; NULL: out of memory. */
ProcSample *sample_add(Sample *s);

/*
 * Orders by pid and folds entries of one pid together. A source that walks threads adds one entry a
 * thread with pid = thread group id and n_threads = 1 (0 for a dead leader); the leader's entry,
 * and only it, has comm set. Of the folded entry
 *   - identity (ppid, sid, uid, start, comm, nice, sched_policy, group_*, cgroup_id, kthread,
 *     has_tty) and the valid bits of it are the leader's, or where no entry has comm, those of the
 *     one that started first;
 *   - counters, n_threads, in_iowait and util_avg are sums, and known only where known of each;
 *   - cpus_allowed and has_rt are unions; rss_bytes and rss_anon_bytes (one mm for all) and
 *     child_exec_ns (kept for the thread group, told by one entry) are the maximum, and known where
 *     known of any;
 *   - zombie holds where it holds for each.
 * No order of adding changes the outcome.
 */
void sample_sort(Sample *s);

/* Binary search by pid in a sorted sample; NULL where it is not there. */
const ProcSample *sample_find(const Sample *s, pid_t pid);
