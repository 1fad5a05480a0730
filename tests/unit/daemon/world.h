/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A machine made up for the pipeline's tests: actors with steady rates, a clock that only
 * world_tick() moves, a model that reads the class that the test wants off the process's memory
 * use, and an executor that does what it is told.
 */

#include "daemon/pipeline.h"

#define WORLD_ACTORS_MAX 6000
#define WORLD_DECISIONS_MAX 256
#define WORLD_SELF 9000

typedef struct Actor {
        ProcSample s; /* counters so far */
        int8_t own_nice;
        double cpu, delay;                          /* s/s */
        double slices, voluntary, io_bytes, faults; /* per second */
        LoadClass load_class;
        int percent; /* what the model gives to that class */
        int second;  /* LoadClass that has the rest; -1: all the others have */
        Ident ident;
} Actor;

typedef struct World {
        Policy policy;
        Model model;
        Pipeline *pipeline;
        Sample sample;
        Actor *actors;
        size_t n;
        usec_t at;
        uint64_t psi_usec[_PSI_COUNT]; /* stall per second */
        bool psi_valid;
        Outcome outcome;                         /* of what is decided */
        size_t n_wanted;                         /* Idents asked for at the last tick */
        Decision decisions[WORLD_DECISIONS_MAX]; /* of the last tick */
        size_t n_decisions;
} World;

/* Two CPUs, enforce, the built-in policy. */
void world_init(World *w);
void world_done(World *w);

/* Hands the policy, changed by the test, to the pipeline. */
void world_set_policy(World *w);

Actor *world_add(World *w, pid_t pid, LoadClass c);
Actor *world_find(World *w, pid_t pid);
void world_remove(World *w, pid_t pid);

/* Takes a CPU where it can. */
Actor *world_add_hog(World *w, pid_t pid);
/* Short bursts, and it waits before each. */
Actor *world_add_server(World *w, pid_t pid);
/* The same, when the hogs no longer stand in its way. */
void actor_stop_waiting(Actor *a);

void world_tick_for(World *w, usec_t dt);
/* n ticks of a second; stops after one with decisions. Returns how many were made. */
int world_tick(World *w, int n);

/* The last tick's decision on pid, NULL: none. */
const Decision *world_decision(const World *w, pid_t pid);
ProcView world_view(const World *w, pid_t pid);
