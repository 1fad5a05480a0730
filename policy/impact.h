/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What each action bought and cost. An action is an episode: all demotions for the sake of one
 * scheduling group (the victims) that begin before it is judged, because several hogs demoted at
 * once cannot be told apart; each of them has its own line of costs. Pure: time is given; no more
 * than IMPACT_EPISODES_MAX episodes are kept.
 *
 * Bought is the victims' run delay per wake-up: the median of the intervals' means, before and
 * during. "Before" begins with the contention that was the reason, not earlier: what was when
 * the hogs had not come yet says nothing. That alone would fool us: contention triggers at a peak,
 * and what follows a peak is lower whatever is done (regression to the mean). So there are
 * controls:
 *
 *  1. Protected groups that waited as well and that the action cannot reach: other groups for a
 *     nice value, groups on other CPUs for a weight. What fell there as much was not our doing; the
 *     victims' ratio is divided by theirs (difference in differences, on a ratio).
 *  2. Without such a group, where the wait fell by less than three quarters, a probe: after
 *     ImpactSettings.probe everything is put back for a few intervals, once. Does the wait come
 *     back, it was our doing.
 *  3. After each end the wait is looked at once more. Where undoing brought it back, the judgement
 *     was wrong (the victims' load had grown meanwhile): it is revised, and nothing is remembered
 *     against the hogs.
 *
 * Judged is only what can be: with enough wake-ups before and during, while the hogs want the CPU
 * as before, and while the victims wake about as often: fewer wake-ups mean less work, not less
 * waiting. Help needs so many intervals, its absence and harm twice as many, and without a control
 * that they waited before and wait on. A demotion that comes later, while another is known to help
 * the same victims, joins that one unless their wait has risen by as much as would be judged: one
 * hog more of a build that is demoted already changes nothing that could be measured. For storage
 * and memory run delay says nothing; such episodes are accounted and never judged ("unknown").
 *
 * Each tick: impact_observe_begin(); impact_add_progress() for every process that is treated,
 * or would be but for a probe; impact_observe_close() after waiting_close(). Then
 * impact_begin() for what is demoted.
 */

#include "policy/class.h"
#include "policy/policy.h"
#include "policy/waiting.h"

#define IMPACT_EPISODES_MAX 256
#define IMPACT_LINES_MAX 12
#define IMPACT_CONTROLS_MAX 8

/* X(identifier, name, sentence) */
#define IMPACT_VERDICTS(X)                                           \
        X(MEASURING, "measuring", "not enough was seen yet")         \
        X(HELPED, "helped", "those who waited wait less")            \
        X(NO_EFFECT, "no-effect", "those who waited wait as before") \
        X(HARMED, "harmed", "those who waited wait longer")          \
        X(UNKNOWN, "unknown", "it ended before enough was seen, or can not be measured")

typedef enum ImpactVerdict {
#define X(id, name, sentence) IMPACT_##id,
        IMPACT_VERDICTS(X)
#undef X
                _IMPACT_VERDICT_COUNT,
} ImpactVerdict;

const char *impact_verdict_to_string(ImpactVerdict v);
const char *impact_verdict_sentence(ImpactVerdict v);

typedef enum ImpactPhase {
        IMPACT_RUNNING,
        IMPACT_PROBING,  /* put back to see whether the wait comes back */
        IMPACT_RESUMING, /* after a probe: they may be demoted again */
        IMPACT_AFTER,    /* ended; what comes after is looked at */
        IMPACT_CLOSED,
        _IMPACT_PHASE_COUNT,
} ImpactPhase;

const char *impact_phase_to_string(ImpactPhase p);

/* One process or unit that was demoted, or all that found no line any more. */
typedef struct ImpactLine {
        pid_t pid; /* of a unit, the first hog in it; 0: the rest */
        uint64_t start;
        char comm[16];
        char unit[256]; /* its cgroup; "": a process */
        LoadClass load_class;
        float confidence;
        uint64_t action; /* in the ledger; 0: none of its own */
        uint32_t n;      /* processes that joined in this line */
        bool has_before;
        float cpu_before, demand_before, io_before; /* s/s, s/s, bytes/s */
        double seconds;                             /* that it was treated */
        double cpu, demand, io;                     /* in those: s, s, bytes */
        bool fed;                                   /* in this tick */
} ImpactLine;

typedef struct ImpactControl {
        uint32_t kind;
        uint64_t id;
        WaitingFigures before;
} ImpactControl;

typedef struct ImpactEpisode {
        uint32_t id;    /* rising from 1 */
        uint32_t kinds; /* bit per ContentionKind */
        ImpactPhase phase;
        ImpactVerdict verdict;
        bool undo;                           /* it is to be put back, for it does not help */
        bool undone;                         /* and has been */
        bool proven;                         /* by a control group, or a probe */
        bool probed;                         /* once is enough */
        bool revised;                        /* it was undone, and the wait came back */
        bool reaches;                        /* every group on its CPUs, not its own group alone */
        uint64_t cpus;                       /* that the demoted may use */
        usec_t begun, judged, ended, closed; /* as Sample.at; 0: not yet */
        usec_t since;                        /* begin of what is looked at: begun, or resumed */
        usec_t probe_begun;
        uint64_t n_judged, n_closed; /* in which order: see Impact.n_judged; 0: not yet */

        pid_t victim; /* who waited most when it began */
        char victim_comm[16];
        uint32_t victim_kind; /* scheduling group */
        uint64_t victim_id;
        WaitingFigures before, during, after;
        uint64_t wakeups; /* of the victims, in all the time */
        double delay;     /* run delay of the victims, s, likewise */
        double seconds;
        bool has_control;
        float control; /* during / before where it does not reach; median of the groups */
        float ratio;   /* during / before, divided by that */
        ImpactControl controls[IMPACT_CONTROLS_MAX];
        size_t n_controls;

        char model[64];                     /* who predicted */
        ImpactLine lines[IMPACT_LINES_MAX]; /* the last one: the rest */
        size_t n_lines;
} ImpactEpisode;

typedef struct Impact {
        usec_t at, dt;
        usec_t least; /* a wait per wake-up below this is none that could be relieved */
        uint32_t last_id;
        uint64_t n_judged, n_closed; /* so often: who tells of it sees that there is news */
        ImpactEpisode *episodes[IMPACT_EPISODES_MAX]; /* owned; id % MAX */
} Impact;

/* A demotion that was made. */
typedef struct ImpactAction {
        uint32_t kinds;
        usec_t since; /* of the contention; USEC_INFINITY: unknown */
        const ProcSample *proc;
        const char *unit; /* NULL: a process */
        LoadClass load_class;
        float confidence;
        uint32_t set;             /* TreatmentField bits */
        bool at_root;             /* its own weight reaches everywhere */
        const ProcSample *victim; /* NULL: gone */
        bool has_before;
        float cpu, demand, io_bytes; /* lately */
} ImpactAction;

void impact_done(Impact *m);

/* slice: Thresholds.delay_per_slice, from which on a process is said to wait; half of that is a
 * wait that could be relieved. */
void impact_observe_begin(Impact *m, usec_t at, usec_t dt, usec_t slice);
void impact_add_progress(Impact *m, uint32_t episode, uint32_t line, const Load *load);
void impact_observe_close(Impact *m, const Waiting *w, const ImpactSettings *s);

/*
 * Books a demotion: it joins its victims' episode, or begins one. Returns the episode's id and the
 * line in it; 0: not accounted, for nobody is known for whose sake it is, or out of memory.
 */
uint32_t impact_begin(Impact *m, Waiting *w, const ImpactAction *a, const ImpactSettings *s,
                      uint32_t *ret_line);

/* One more process in an episode that is not over: an inherited demotion. Returns its line. */
uint32_t impact_join(Impact *m, uint32_t episode, const ProcSample *proc);

/* NULL: none, or not kept any more. */
const ImpactEpisode *impact_find(const Impact *m, uint32_t id);

/* The books' number for what was done to pid, and who predicted. */
void impact_note_action(Impact *m, uint32_t episode, uint32_t line, uint64_t action,
                        const char *model);

/* Cost and demand of a line while it was treated, s/s and bytes/s; 0 where there was no time. */
float impact_line_cpu(const ImpactLine *l);
float impact_line_io(const ImpactLine *l);
/* Part of its progress that it lost, 0..1; negative: not known. */
float impact_line_lost(const ImpactLine *l);
