/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Process lifecycle as it happens: exec, fork and exit by tp_btf through a BPF ring buffer whose
 * descriptor the caller polls. Events that did not fit are counted in the kernel; the reader is
 * told of a loss and must rescan.
 */

#include <sys/types.h>

#include "collectors/bpf/events.h"
#include "util/error.h"
#include "util/macro.h"

typedef struct Events Events;

typedef void (*events_callback_t)(const struct aikm_event *event, void *userdata);

typedef struct EventsOptions {
        size_t ring_size; /* bytes, a power of two and a multiple of the page size; 0: 256 KiB */
} EventsOptions;

/* Loads and attaches. Returns 0, -EOPNOTSUPP (no BTF or tp_btf), -EPERM, or -errno, with *e set. */
int events_new(const EventsOptions *options, events_callback_t callback, void *userdata,
               Events **ret, Error *e);
Events *events_free(Events *ev);
DEFINE_CLEANUP(Events *, events_free);

/* Becomes readable when events wait. Owned by ev. */
int events_fd(const Events *ev);

/* Calls the callback for each waiting event. Returns how many, or -errno. */
int events_dispatch(Events *ev);

/*
 * Which events make events_fd() readable at once; AIKM_WAKE_ALL until this is called. The rest is
 * found by the next events_dispatch(): a wake-up costs more than the event.
 */
void events_set_wake(Events *ev, enum aikm_event_wake wake);

/* Events that the full ring buffer refused since the start. Rises: rescan. */
uint64_t events_lost(const Events *ev);
