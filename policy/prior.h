/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What was learned of programs: where a process of one begins before it has a past of its own.
 * A program is an executable, its build, and the name that its process goes by, so that the scripts
 * of one interpreter and the commands of one busybox are told apart where the kernel tells them
 * apart. Each process adds at most 1 to its program's mass, whatever time it lives; mass halves
 * with time. Pure: time is an argument, CLOCK_BOOTTIME of this boot, signed because what was
 * learned before it counts too.
 */

#include "collectors/ident.h"
#include "models/model.h"
#include "util/time.h"

/* A process's first so many seconds are learned from; they weigh 1 together. */
#define PRIOR_LESSON (10 * USEC_PER_SEC)
/* From so many intervals of its own on a process is judged by them alone. */
#define PRIOR_INTERVALS 5U
/* Strong enough to stand for a class that has proved itself. */
#define PRIOR_STRONG 0.6f
/* However much was seen of a program, new ways of it are learned. */
#define PRIOR_MASS_MAX 50.0f
#define PRIORS_MAX 16384U

/* Written to recordings and to disk: no holes. */
typedef struct PriorEntry {
        uint64_t name;            /* hash of exe and comm */
        uint64_t build;           /* hash of the build */
        int64_t seen;             /* µs; when something was learned last */
        float mass[_CLASS_COUNT]; /* as of seen */
        uint32_t processes;       /* learned from, saturating */
        uint32_t pad;
        char exe[256];
        char comm[16];
} PriorEntry;

_Static_assert(sizeof(PriorEntry) == 328, "no holes");

typedef struct PriorLimits {
        bool enabled;
        uint32_t max;     /* programs; who was not seen for the longest time goes first */
        usec_t half_life; /* > 0 */
} PriorLimits;

typedef struct PriorTable {
        PriorEntry **entries; /* ordered by name, build */
        size_t n, n_allocated;
        PriorLimits limits;
        uint64_t generation; /* counts changes */
} PriorTable;

typedef struct Prior {
        Prediction prediction;
        float strength; /* 0..1; 0: nothing is known */
        uint32_t processes;
        bool other_build; /* of the same program, a build that is not this one */
} Prior;

void prior_table_done(PriorTable *t);

/* Drops what is too many; all where they are disabled. */
void prior_table_set_limits(PriorTable *t, const PriorLimits *limits);

/* What becomes of one process in dt µs of its life, of which `lesson` were learned from before. Out
 * of memory: nothing is learned. */
void prior_learn(PriorTable *t, const Ident *ident, const char *comm, const Prediction *prediction,
                 usec_t lesson, usec_t dt, int64_t at);

/* strength 0 where nothing is known. */
void prior_get(const PriorTable *t, const Ident *ident, const char *comm, int64_t at, Prior *ret);

/* The part of the prior in the judgement of a process with that many intervals, 0..1. */
float prior_weight(const Prior *p, uint32_t n_intervals);

/* *p, a model's word, becomes weight × prior + (1 - weight) × itself. */
void prior_blend(const Prior *prior, float weight, Prediction *p);

/* exe NULL: all. Returns how many. */
size_t prior_table_forget(PriorTable *t, const char *exe);

/* Brings mass to what it is worth at that time. */
void prior_entry_age(PriorEntry *e, usec_t half_life, int64_t at);

/* Replaces all by entries in any order. Returns 0, -ENOMEM, or -EINVAL where one is impossible;
 * then nothing is changed. Where there are too many, the latest seen stay. */
int prior_table_load(PriorTable *t, const PriorEntry *entries, size_t n);

/* Total mass as of its time. */
float prior_entry_mass(const PriorEntry *e);
