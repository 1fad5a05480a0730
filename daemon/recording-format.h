/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The bytes of a recording: what recording.c writes and replay.c reads. Fixed widths, no holes;
 * every struct is zeroed before it is filled. A change bumps RECORDING_VERSION.
 */

#include <stddef.h>

#include "daemon/recording.h"
#include "util/hash.h"

#define RECORDING_MAGIC "AIKMREC1" /* 8 bytes, without NUL */
#define RECORDING_MAGIC_SIZE ((size_t)8)
#define RECORDING_PROCS_MAX ((uint64_t)4194304) /* the kernel's PID_MAX_LIMIT */
#define RECORDING_POLICY_MAX ((size_t)4 * 1024 * 1024)
#define RECORDING_DECISIONS_MAX ((uint64_t)4194304)

typedef enum FrameType {
        FRAME_HEADER = 1, /* RecordedHeader, policy as JSON; the first frame and only that */
        FRAME_SAMPLE,     /* RecordedSample, ProcSample[n_procs] */
        FRAME_IDENT,      /* RecordedPid, number: known, start: group_length; BuildId; then exe,
                         cgroup, unit, each with NUL */
        FRAME_EXEC,       /* RecordedPid */
        FRAME_POLICY,     /* policy as JSON */
        FRAME_TRIAL,      /* RecordedPid, number: mode */
        FRAME_ROLLBACK,   /* RecordedPid */
        FRAME_TREATED,    /* RecordedPid, start */
        FRAME_UNIT,       /* RecordedPid, number: set by somebody else, not rolled back; then the
                             unit's cgroup with NUL */
        FRAME_DECISIONS,  /* RecordedCount, RecordedDecision[n]; one a tick, also where n is 0 */
        FRAME_FEEDBACK,   /* RecordedCount: outcome, RecordedDecision */
        FRAME_PRIORS,     /* PriorEntry[n]: all that is known of programs */
        FRAME_FORGET,     /* RecordedPid; then the executable with NUL, "": all */
        FRAME_MODEL,      /* RecordedModel: predicts from here on */
        _FRAME_TYPE_COUNT,
        /* Of a feed (feed.h) alone, apart from those that a file has. */
        FRAME_LOST = 64, /* RecordedCount: ticks that were left out here */
} FrameType;

/* check makes sure of the size before it is believed, so that a file that ends too early can be
 * told from one that is damaged. */
typedef struct FrameHead {
        uint32_t type;
        uint32_t size;  /* of the payload */
        uint64_t check; /* fnv1a64 of type and size */
        uint64_t hash;  /* fnv1a64 of the payload */
} FrameHead;

typedef struct RecordedHeader {
        uint32_t version;     /* RECORDING_VERSION */
        uint32_t sample_size; /* sizeof(ProcSample) */
        uint64_t schema;      /* feature_schema_hash() */
        int32_t self;
        uint32_t pad;
        char model[64];
        char digest[72];
} RecordedHeader;

typedef struct RecordedSample {
        uint64_t at;
        uint32_t source;
        uint32_t n_cpus;
        Psi psi[_PSI_COUNT];
        uint64_t n_procs;
} RecordedSample;

typedef struct RecordedPid {
        int32_t pid;
        uint32_t number;
        uint64_t start;
} RecordedPid;

typedef struct RecordedModel {
        char model[64];
        char digest[72];
} RecordedModel;

typedef struct RecordedCount {
        uint64_t n;
} RecordedCount;

typedef struct RecordedDecision {
        uint64_t start;
        uint64_t cpus;
        uint32_t kind;
        int32_t pid;
        int32_t parent;
        uint32_t load_class;
        uint32_t confidence; /* the float's bits */
        uint32_t verdict;
        int32_t victim;
        uint32_t victim_delay;
        uint32_t treatment; /* Treatment.set */
        int32_t nice;
        uint32_t sched;
        uint32_t ioprio_class;
        uint32_t ioprio_level;
        int32_t autogroup_nice;
        uint32_t slice_usec;
        uint32_t cpu_weight;
        uint32_t io_weight;
        uint32_t unit_cpu_weight;
        uint32_t unit_io_weight;
        uint32_t pad;
        char victim_comm[16];
        char comm[16];
        char tunable[48];
        char value[64];
        char unit[256];
} RecordedDecision;

_Static_assert(sizeof(FrameHead) == 24, "no holes");
_Static_assert(sizeof(RecordedHeader) == 160, "no holes");
_Static_assert(sizeof(RecordedSample) == 96, "no holes");
_Static_assert(sizeof(RecordedPid) == 16, "no holes");
_Static_assert(sizeof(RecordedModel) == 136, "no holes");
_Static_assert(sizeof(RecordedDecision) == 496, "no holes");

/* A frame as it stands in the stream. */
typedef struct LostFrame {
        FrameHead head;
        RecordedCount count;
} LostFrame;

static inline uint64_t frame_check(uint32_t type, uint32_t size) {
        const uint32_t words[2] = {type, size};

        return fnv1a64(FNV1A64_INIT, words, sizeof(words));
}

/* Both directions are exact for every decision that the pipeline can make. */
void recorded_decision_from(const Decision *d, RecordedDecision *ret);
/* Returns 0, or -EBADMSG where a value is none of its kind. */
int recorded_decision_to(const RecordedDecision *r, Decision *ret);
