/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Which machine-wide settings of the policy are in force, and which should be: each is set once
 * when its reason begins and put back once when that has ended. Pure.
 */

#include "policy/policy.h"

typedef struct TunerEntry {
        TunableSetting setting;
        bool dropped; /* no longer in the policy: there until it is put back */
        bool applied;
        usec_t held_at;       /* when there was last a reason */
        usec_t blocked_until; /* after a rollback or failure */
} TunerEntry;

typedef struct Tuner {
        TunerEntry *entries; /* in the policy's order, dropped ones behind */
        size_t n;
} Tuner;

typedef struct TunerInput {
        usec_t at;
        usec_t release_after;
        bool allowed;                   /* enforcing, and the machine is in scope */
        bool begins[_CONTENTION_COUNT]; /* lasting contention */
        bool holds[_CONTENTION_COUNT];  /* that, or processes are still treated for it */
} TunerInput;

typedef enum TunerAction { TUNER_NOTHING, TUNER_SET, TUNER_PUT_BACK } TunerAction;

void tuner_done(Tuner *t);

/* Takes the policy's settings over; equal ones keep their state. Returns 0 or -ENOMEM. */
int tuner_set_policy(Tuner *t, const Policy *policy);

/* What to do about entry i now. The caller does it and then calls tuner_note_done(). */
TunerAction tuner_step(Tuner *t, size_t i, const TunerInput *in);
void tuner_note_done(Tuner *t, size_t i, TunerAction action);

/* The one in force where several are alike; NULL: there is no such setting. */
TunerEntry *tuner_find(const Tuner *t, const char *name, const char *value);
