/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The traffic filter as user space sees it: loads an object that `aikm-compile --target xdp` made,
 * attaches it to an interface, and reads and sets what the kernel keeps of it.
 *
 * It starts in shadow: it judges and counts, and drops nothing. Dropping ends by itself at a time
 * that the kernel looks at, so a loader that is gone leaves no packets dropped for longer than was
 * agreed. With a folder to pin in, the program and all that it knows outlive the process, and are
 * adopted by the next one. Times are CLOCK_BOOTTIME in nanoseconds, as the kernel's are.
 * Functions that take *e name what was wrong in it; none logs.
 */

#include <stddef.h>
#include <stdint.h>

#include "collectors/bpf/filter.h"
#include "models/packet-fields.h"
#include "util/error.h"
#include "util/macro.h"

typedef struct Filter Filter;

/* An object file's content and who it is. */
typedef struct FilterModel {
        const void *object; /* ELF, borrowed for the call */
        size_t size;
        const char *name;   /* for error texts */
        uint64_t identity;  /* not 0: what counters and samples tell it by */
        uint64_t malicious; /* bit i: class i of the model is; 0: every class but the first */
} FilterModel;

typedef enum FilterPath {
        FILTER_NATIVE, /* in the driver, before a packet buffer is made */
        FILTER_GENERIC /* after: any interface, at a higher price */
} FilterPath;

typedef struct FilterOptions {
        const char *pin_dir; /* on a bpffs, made where it is missing; NULL: ends with the process */
        bool generic;        /* do not try the driver's own path */
        uint32_t sources_max; /* addresses remembered, each way; 0: FILTER_SOURCES_MAX */
        uint32_t flows_max;   /* 0: FILTER_FLOWS_MAX */
        uint32_t allow_max;   /* 0: FILTER_ALLOW_MAX */
        uint32_t ring_size;   /* of samples, in bytes, a power of two; 0: FILTER_RING_SIZE */
        bool test_clock;      /* tests: time is what filter_set_test_clock() says */
} FilterOptions;

#define FILTER_SOURCES_MAX 16384
#define FILTER_FLOWS_MAX 65536
#define FILTER_ALLOW_MAX 4096
#define FILTER_RING_SIZE ((uint32_t)256 * 1024)
#define FILTER_KILL_PERMILLE 500    /* where nobody said otherwise */
#define FILTER_KILL_PACKETS_MIN 256 /* what five sources and no fewer can make up */

/*
 * Checks the object (layout, field table, maps), loads it, and attaches it. options: NULL for all
 * defaults. Returns 0, or -errno: -EINVAL or -EOPNOTSUPP for the object or the folder, -EEXIST
 * where the folder holds a filter already, -EBUSY where the interface has another XDP program (it
 * is left alone), -EPERM, -ENODEV.
 */
int filter_attach(unsigned interface, const FilterModel *model, const FilterOptions *options,
                  Filter **ret, Error *e);

/* The same without an interface: for filter_run() alone. options->pin_dir is not looked at. */
int filter_load(const FilterModel *model, const FilterOptions *options, Filter **ret, Error *e);

/* Judges a frame (BPF_PROG_TEST_RUN) as if it had come in, `repeat` times: everything is counted,
 * and no packet goes anywhere. ret_dropped and ret_ns (mean of one run) may be NULL. Not for an
 * adopted filter. Returns 0 or -errno. */
int filter_run(Filter *f, const void *frame, size_t size, unsigned repeat, bool *ret_dropped,
               uint64_t *ret_ns, Error *e);

/* Takes over what an earlier process left in a folder. Returns 0, -ENOENT where there is nothing,
 * -ESTALE where it is of another layout, no longer attached, in another network namespace or in
 * pieces: filter_clear() it. */
int filter_adopt(const char *pin_dir, Filter **ret, Error *e);

/* Detaches what is pinned in a folder, whatever state it is in, and removes it and the folder. 0
 * also where there is nothing. */
int filter_clear(const char *pin_dir, Error *e);

/* Lets go: a pinned filter stays at work, any other is detached. Returns NULL. */
Filter *filter_free(Filter *f);
DEFINE_CLEANUP(Filter *, filter_free);

/* Detaches and unpins; only filter_free() may follow. */
int filter_detach(Filter *f, Error *e);

/*
 * Another model in place of the one at work, in one step: no packet is judged by half of each, none
 * passes unjudged in between, and what is known of sources and flows, the mode, the allow-list and
 * the counters stay. On failure the old one goes on.
 */
int filter_swap(Filter *f, const FilterModel *model, Error *e);

/* until_ns: 0 turns to shadow, FILTER_FOREVER enforces without end, else a boot time at which the
 * kernel returns to shadow by itself. Also resets a kill switch that has tripped. */
void filter_set_enforce(Filter *f, uint64_t until_ns);
/* If of at least packets_min packets judged in a second, each source's at most
 * FILTER_METER_OF_SOURCE, more than permille would be dropped, the filter turns itself to shadow
 * until somebody calls filter_set_enforce(). 1000: never. Returns 0 or -EINVAL. */
int filter_set_kill_switch(Filter *f, uint32_t permille, uint64_t packets_min);
/* At most one sample of this verdict in each interval; 0: none. */
void filter_set_sampling(Filter *f, enum filter_verdict verdict, uint64_t interval_ns);
void filter_set_test_clock(Filter *f, uint64_t now_ns);

typedef struct FilterStatus {
        unsigned interface;
        FilterPath path;
        bool attached; /* false: the interface or the attachment is gone */
        bool pinned;
        uint64_t model;            /* identity of the one at work */
        uint64_t enforce_until_ns; /* as set */
        bool enforcing;            /* at now_ns: neither ended nor tripped */
        uint64_t tripped_ns;       /* 0: the kill switch has not tripped */
        uint64_t trips;
        uint32_t kill_permille;
        uint64_t kill_packets_min;
        uint64_t sample_interval_ns[FILTER_VERDICT_COUNT];
        uint64_t samples_lost;
        size_t n_fields;
        enum packet_field fields[FILTER_FIELDS_MAX]; /* what the model at work asks for */
} FilterStatus;

int filter_get_status(const Filter *f, uint64_t now_ns, FilterStatus *ret, Error *e);

/* Bytes of the kernel's memory that the maps take, most of them from the beginning; 0: not known.
 */
uint64_t filter_get_memory(const Filter *f);

/* Sums over CPUs. slot: one of the two programs, or those that are gone (ret_model: 0);
 * FILTER_SLOT_COUNT is the sum of all, ret_model then that at work. ret_model may be NULL. */
int filter_get_counters(const Filter *f, enum filter_slot slot, uint64_t *ret_model,
                        struct filter_counters *ret, Error *e);

/* An address prefix; IPv4 is ::ffff:0:0/96. */
typedef struct FilterPrefix {
        uint8_t address[16];
        unsigned length; /* 0 … 128 */
} FilterPrefix;

#define FILTER_PREFIX_TEXT 50

/* "192.0.2.0/24", "2001:db8::1": -EINVAL with the reason where it is none, or has bits behind its
 * length. */
int filter_prefix_parse(const char *text, FilterPrefix *ret, Error *e);
/* text: FILTER_PREFIX_TEXT bytes. A whole address has no "/". */
void filter_prefix_format(const FilterPrefix *p, char *text);

/* Packets from these are passed unjudged. add: 1 where it is new, 0 where it was there; -ENOSPC.
 * del: 1, or 0 where it was not there. */
int filter_allow_add(Filter *f, const FilterPrefix *p, Error *e);
int filter_allow_del(Filter *f, const FilterPrefix *p, Error *e);
/* A new array, sorted; free() it. */
int filter_allow_list(const Filter *f, FilterPrefix **ret, size_t *ret_n, Error *e);

/* What is known of one source. */
typedef struct FilterSource {
        uint8_t address[16];
        uint64_t first_ns;
        uint64_t last_ns;
        uint64_t packets;                    /* since first_ns */
        uint64_t bytes;                      /* IP */
        uint64_t malicious;                  /* of packets, whether dropped or not */
        uint64_t dropped;                    /* of malicious */
        uint32_t class;                      /* of its last packet */
        uint32_t fields[PACKET_FIELD_COUNT]; /* those of scope source, as they stand at now_ns */
} FilterSource;

/* The sources with most malicious packets, then with most packets, at most n of them. Returns how
 * many, or -errno. */
ssize_t filter_top(const Filter *f, uint64_t now_ns, FilterSource *ret, size_t n, Error *e);

typedef struct FilterExplanation {
        FilterSource source;
        bool known; /* false: nothing is remembered of it; source is zero but for address */
        bool allowed;
        FilterPrefix allowed_by; /* the longest prefix that holds it */
        size_t n_flows;          /* of the flows remembered, those that it has a part in */
} FilterExplanation;

int filter_explain(const Filter *f, const uint8_t address[16], uint64_t now_ns,
                   FilterExplanation *ret, Error *e);

typedef void (*filter_sample_t)(const struct filter_sample *sample, void *userdata);

/* Samples by a descriptor to poll; dispatch hands over all that are there and returns their number
 * or -errno. The fd is the filter's and made at the first call; there may be one reader. */
int filter_samples_open(Filter *f, filter_sample_t callback, void *userdata, Error *e);
int filter_samples_fd(const Filter *f);
int filter_samples_dispatch(Filter *f);

/* Words for people. */
const char *filter_reason_text(enum filter_reason reason);
const char *filter_verdict_name(enum filter_verdict verdict);
const char *filter_path_name(FilterPath path);
