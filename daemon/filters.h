/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The traffic filters that are attached, one for an interface: who wants them, until when they
 * drop, what they told last. All are pinned, so that the ledger's entry is enough to detach them.
 * Whoever calls writes the ledger before and tells people; time is an argument, in CLOCK_BOOTTIME
 * as the kernel's.
 */

#include <systemd/sd-event.h>

#include "daemon/filter-file.h"

/* What policy enforces is renewed while the daemon lives and ends by itself when it does not. */
#define FILTER_POLICY_LEASE_NS (120 * NSEC_PER_SEC)
#define FILTER_LEASE_MAX (24 * 3600 * USEC_PER_SEC)
#define FILTERS_MAX ((size_t)8) /* each takes some 28 MB of the kernel's memory */
#define FILTER_RECENT 128

typedef struct FilterEntry {
        char interface[FILTER_INTERFACE_MAX];
        unsigned index;
        char pin_dir[128];
        uint64_t ledger_id;
        Filter *filter;
        FilterFile model; /* without its bytes; named by its identity where nobody knows it */
        bool by_policy;
        bool policy_enforces;   /* as long as the daemon's own mode does */
        bool suspended;         /* the kill switch or somebody's word: policy enforces no more */
        uint64_t lease_ns;      /* somebody's lease ends then; 0: none */
        uint64_t trips;         /* so many were told */
        bool enforcing;         /* as told */
        uint32_t kill_permille; /* as configured; a lease may have another */
        uint32_t kill_min;
        sd_event_source *samples_source;
        struct filter_sample *recent; /* ring */
        size_t n_recent;              /* ever */
} FilterEntry;

typedef struct Filters {
        char pin_root[96];
        FilterEntry *entries[FILTERS_MAX];
        size_t n;
} Filters;

void filters_init(Filters *f, const char *pin_root);
/* Lets all go: they stay pinned. */
void filters_done(Filters *f);

/* NULL: none is attached there. */
FilterEntry *filters_find(const Filters *f, const char *interface);
/* The folder that a filter on that interface is pinned in. */
void filters_pin_dir(const Filters *f, unsigned index, char *ret, size_t size);

/* Both make an entry, whose ledger_id is the caller's to set; *ret is valid until entries come or
 * go. Return 0 or -errno with *e set: -E2BIG for too many. */
int filters_attach(Filters *f, const char *interface, unsigned index, const FilterFile *model,
                   bool generic, FilterEntry **ret, Error *e);
/* in: where to look for the name of its model. */
int filters_adopt(Filters *f, const char *pin_dir, const FilterFolders *in, FilterEntry **ret,
                  Error *e);
/* Detaches whatever is pinned, known or not, and removes the folder, for those who have no daemon.
 * Both count filters. */
void filters_clear(const char *pin_root, size_t *ret_detached, size_t *ret_failed);
/* Calls for the folder of each filter that is pinned; what is no such folder is left alone. */
void filters_each_pin(const char *pin_root, void (*f)(const char *pin_dir, void *userdata),
                      void *userdata);
/* Forgets one that is detached. */
void filters_drop(Filters *f, FilterEntry *entry);
int filter_entry_swap(FilterEntry *entry, const FilterFile *model, Error *e);

/* With a lease ends what was said of the kill switch for it. */
void filter_entry_end_lease(FilterEntry *entry);
/* Until when it is to drop: the later of the lease and of what policy gives. */
uint64_t filter_entry_until(const FilterEntry *entry, bool policy_allows, uint64_t now_ns);
/* Sets that in the kernel, and ends a lease that is over. Clears a kill switch that has tripped. */
void filter_entry_enforce(FilterEntry *entry, bool policy_allows, uint64_t now_ns);

/* The settings of policy but model, mode and interface. */
int filter_entry_configure(FilterEntry *entry, const FilterSetting *s, Error *e);

/* Takes samples from now on. */
int filter_entry_listen(FilterEntry *entry, sd_event *event, Error *e);
/* The last sample of a source, malicious ones first; NULL: none is remembered. */
const struct filter_sample *filter_entry_sample(const FilterEntry *entry,
                                                const uint8_t address[16]);
