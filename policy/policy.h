/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the administrator wants: mode, scope, the treatment of each class, rules for named
 * processes, thresholds. Plain data (config.h fills it from JSON) and pure functions over it.
 * Nothing here acts.
 */

#include <sys/types.h>

#include "collectors/ident.h"
#include "collectors/sample.h"
#include "policy/class.h"
#include "policy/filter.h"
#include "policy/prior.h"
#include "policy/tunable.h"
#include "util/time.h"

typedef enum Mode { MODE_OBSERVE, MODE_ADVISE, MODE_ENFORCE, _MODE_COUNT } Mode;

const char *mode_to_string(Mode m);
int mode_from_string(const char *name); /* -EINVAL */

/* Which parts of a Treatment are set. */
typedef enum TreatmentField {
        TREAT_NICE = 1 << 0,
        TREAT_SCHED = 1 << 1,
        TREAT_SLICE = 1 << 2,
        TREAT_IOPRIO = 1 << 3,
        TREAT_CPUS = 1 << 4,
        TREAT_AUTOGROUP = 1 << 5,
        TREAT_CPU_WEIGHT = 1 << 6,
        TREAT_IO_WEIGHT = 1 << 7,
        TREAT_UNIT_CPU_WEIGHT = 1 << 8,
        TREAT_UNIT_IO_WEIGHT = 1 << 9,
        TREAT_SCOPE = 1 << 10,
        /* Of a systemd unit, whoever is in it. */
        TREAT_UNIT = TREAT_UNIT_CPU_WEIGHT | TREAT_UNIT_IO_WEIGHT,
        /* Take effect within the group that the process is in … */
        TREAT_WITHIN_GROUP = TREAT_NICE | TREAT_SCHED | TREAT_SLICE,
        /* … and between groups. */
        TREAT_ACROSS_GROUPS = TREAT_AUTOGROUP | TREAT_CPU_WEIGHT | TREAT_UNIT_CPU_WEIGHT |
                              TREAT_SCOPE,
} TreatmentField;

typedef struct Treatment {
        uint32_t set;          /* TreatmentField bits */
        int8_t nice;           /* 0..19 */
        uint8_t sched;         /* SCHED_OTHER, SCHED_BATCH, SCHED_IDLE */
        uint8_t ioprio_class;  /* IOPRIO_CLASS_BE 2, IOPRIO_CLASS_IDLE 3 */
        uint8_t ioprio_level;  /* 0..7 */
        int8_t autogroup_nice; /* 0..19 */
        uint8_t pad[3];
        uint32_t slice_usec;      /* 100..100000 */
        uint32_t cpu_weight;      /* v2 scale 1..10000, 100 is the default; 0: cpu.idle */
        uint32_t io_weight;       /* v2 scale 1..10000 */
        uint32_t unit_cpu_weight; /* of its systemd unit, as cpu_weight */
        uint32_t unit_io_weight;  /* 1..10000 */
        uint64_t cpus;            /* bit per CPU 0..63 */
} Treatment;

typedef enum ScopeKind {
        SCOPE_MACHINE,
        SCOPE_UNIT,
        SCOPE_CGROUP,
        SCOPE_SESSION,
        SCOPE_UID,
        SCOPE_TREE,
        _SCOPE_KIND_COUNT
} ScopeKind;

/* "machine", "unit:GLOB", "cgroup:PATH" (and below), "session:SID", "uid:N", "tree:PID" (and
 * descendants). */
typedef struct ScopeEntry {
        ScopeKind kind;
        uint32_t number; /* SESSION, UID, TREE */
        char text[256];  /* UNIT glob, CGROUP path */
} ScopeEntry;

/* A rule matches where every pattern that it has matches (fnmatch(3) globs; cgroup: that path and
 * below). The first match counts. */
typedef struct Rule {
        char name[64];
        char comm[64], exe[256], unit[128], cgroup[256]; /* "" : any */
        bool has_uid;
        uid_t uid;
        bool exempt;        /* never touch */
        int load_class;     /* forced LoadClass, or -1 */
        bool has_treatment; /* replaces the class's */
        Treatment treatment;
        char origin[160]; /* file it came from, for explain */
} Rule;

typedef enum ContentionKind {
        CONTENTION_CPU,
        CONTENTION_IO,
        CONTENTION_MEMORY,
        _CONTENTION_COUNT
} ContentionKind;

/* A machine-wide knob that policy sets: always while enforcing, or while a resource is contended.
 */
typedef struct TunableSetting {
        const Tunable *tunable;
        char value[64];
        int when; /* ContentionKind, or -1: always */
} TunableSetting;

typedef struct Thresholds {
        usec_t interval;          /* tick; 100 ms .. 60 s */
        usec_t interval_max;      /* of a quiet machine; interval or less: it is never stretched */
        float confidence;         /* least to demote on, 0..1; see judge_confidence() */
        float protect_confidence; /* least to be protected on */
        float delay_share; /* run delay of a protected process per wall time that counts as waiting,
                              s/s */
        usec_t delay_per_slice; /* and mean run delay per time slice, µs: both must be passed */
        float busy_share; /* CPU use of all processes, as part of all CPUs, that counts as saturated
                           */
        float io_pressure;     /* PSI some, s/s */
        float memory_pressure; /* PSI some, s/s */
        float hog_share;       /* least demand (CPU time + run delay) of one hog, s/s */
        float infer_change; /* least change of a feature that is put to the model; 0: every row is
                             */
        usec_t contention_after; /* contention must last this long before anything is done */
        usec_t dwell;            /* a class must be stable this long */
        usec_t release_after;    /* no contention for this long: put back */
        usec_t cool_down;        /* after release, before the same process may be demoted again */
        uint32_t changes_per_minute; /* demotions, machine-wide */
        int8_t nice_max;             /* clamp: nothing is set above it */
} Thresholds;

/* How actions are judged by what they did; see policy/impact.h, policy/floor.h, policy/regret.h. */
typedef struct ImpactSettings {
        bool undo;           /* what does not help is put back */
        float effect;        /* least part by which the wait per wake-up must fall, 0..1 */
        uint32_t intervals;  /* with enough wake-ups, before it is judged */
        uint32_t wakeups;    /* of the victims, before and after, without which nothing is said */
        usec_t before;       /* so far back is looked for what was before; at most 16 s are known */
        usec_t probe;        /* help without a control is put to the test after this; 0: never */
        usec_t remember;     /* so long what did not help is not tried again, doubling … */
        usec_t remember_max; /* … up to this */
        float floor_share;   /* least CPU share of what is demoted and wants it, s/s */
        uint32_t floor_io;   /* bytes per second, likewise */
        usec_t floor_after;  /* over this time */
} ImpactSettings;

typedef struct Policy {
        Mode mode;
        bool fine_tuning;  /* nothing here looks at it, aikmctl model tune does */
        bool keep_on_stop; /* on_stop: keep; default restore */
        ScopeEntry *scope; /* any entry may match; none: nothing is in scope */
        size_t n_scope;
        Treatment treatment[_CLASS_COUNT];
        Rule *rules;
        size_t n_rules;
        TunableSetting *tunables;
        size_t n_tunables;
        Thresholds thresholds;
        ImpactSettings impact;
        PriorLimits priors;
        bool keep_filters; /* filter.on_stop: keep; default detach */
        FilterSetting *filters;
        size_t n_filters;
        char model[256]; /* "rules", or a manifest's path */
} Policy;

#define POLICY_INIT ((Policy){.mode = MODE_OBSERVE})

/* The built-in policy: observe, machine scope, batch and memory to nice 19 and a slice of 20 ms
 * (autogroup nice 19, unit weight 20, a group of ours with cpu.idle), io to best-effort 7. Returns
 * 0 or -ENOMEM. */
int policy_init_default(Policy *p);
void policy_done(Policy *p);
int policy_copy(const Policy *from, Policy *ret);

/* Takes knobs (TreatmentField bits) that the machine lacks out of every treatment. */
void policy_drop_knobs(Policy *p, uint32_t knobs);

/* ancestors: thread group ids from the process itself up to its oldest known ancestor. */
typedef struct ScopeSubject {
        const ProcSample *proc;
        const Ident *ident; /* may be NULL: unknown */
        const pid_t *ancestors;
        size_t n_ancestors;
} ScopeSubject;

bool scope_contains(const ScopeEntry *scope, size_t n_scope, const ScopeSubject *s);
int scope_parse(const char *text, ScopeEntry *ret, Error *e);
void scope_format(const ScopeEntry *s, char *buffer, size_t size);

/* The first rule that matches, or NULL. */
const Rule *policy_match(const Policy *p, const ProcSample *proc, const Ident *ident);
