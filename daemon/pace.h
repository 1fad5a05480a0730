/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * How long until the next look at the machine: the policy's interval while anything happens, and on
 * a quiet machine twice as long each time, up to its interval_max. What happens meanwhile ends the
 * stretch at once: the kernel's pressure triggers, a storm of programs that start, a client that
 * watches. Pure: the manager tells what the last look saw.
 */

#include "collectors/sample.h"
#include "util/time.h"

/* Looks in a row that must be quiet before the first stretch. */
#define PACE_QUIET_LOOKS 3
/* Where no pressure trigger would wake the daemon, it looks at least this often. */
#define PACE_BLIND_MAX (2 * USEC_PER_SEC)
/* Part of the time that something stalls (PSI "some") below which a machine is quiet; the triggers
 * are set to the same share. */
#define PACE_PRESSURE 0.05f
/* New processes in one look that are no coming and going any more. */
#define PACE_BIRTHS 8

typedef enum PaceReason {
        PACE_FIXED,     /* interval_max is not above interval */
        PACE_STARTING,  /* quiet, but not for long enough yet */
        PACE_QUIET,     /* stretched */
        PACE_BLIND,     /* quiet, stretched no further than PACE_BLIND_MAX */
        PACE_FAILED,    /* the look failed */
        PACE_TRIAL,     /* somebody tries something */
        PACE_TREATED,   /* something is changed that has to be put back */
        PACE_CONTENDED, /* a resource is contended */
        PACE_HOG,       /* something would be demoted if others waited */
        PACE_CHANGED,   /* something was decided in the last look */
        PACE_PRESSURE_HIGH,
        PACE_BORN,    /* many new processes */
        PACE_WATCHED, /* a client asked a moment ago */
        PACE_WOKEN,   /* pressure or a storm of programs ended the stretch */
        _PACE_REASON_COUNT,
} PaceReason;

/* What the last look saw. */
typedef struct PaceInput {
        bool failed, trial, contended, hog, watched;
        size_t n_treated, n_decisions, n_born;
        float pressure[_PSI_COUNT]; /* s/s, negative: unknown */
        bool triggers;              /* the kernel tells of pressure on every resource */
} PaceInput;

typedef struct Pace {
        usec_t interval; /* until the next look; 0: none was taken yet */
        uint32_t quiet;  /* looks in a row */
        PaceReason reason;
} Pace;

/* After a look; base and max: of the policy. Returns the time until the next, never below base. */
usec_t pace_next(Pace *p, const PaceInput *in, usec_t base, usec_t max);

/* Ends a stretch: the next pause is the base again. */
void pace_wake(Pace *p, usec_t base, PaceReason why);

bool pace_is_stretched(const Pace *p, usec_t base);

/* "quiet", and a sentence for people. */
const char *pace_reason_to_string(PaceReason r);
const char *pace_reason_sentence(PaceReason r);
