/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "collectors/bpf-support.h"
#include "collectors/events.skel.h"

#define RING_SIZE_DEFAULT ((size_t)256 * 1024)

struct Events {
        struct events_bpf *skel;
        struct ring_buffer *ring;
        events_callback_t callback;
        void *userdata;
};

Events *events_free(Events *ev) {
        if (!ev)
                return NULL;
        ring_buffer__free(ev->ring);
        events_bpf__destroy(ev->skel);
        free(ev);
        return NULL;
}

static int on_record(void *userdata, void *data, size_t size) {
        const Events *ev = userdata;
        const struct aikm_event *event = data;

        if (size >= sizeof(*event) && event->version == AIKM_EVENT_VERSION)
                ev->callback(event, ev->userdata);
        return 0;
}

static int events_load(Events *ev, size_t ring_size) {
        int r;

        ev->skel = events_bpf__open();
        if (!ev->skel)
                return -errno;
        r = bpf_map__set_max_entries(ev->skel->maps.ring, (uint32_t)ring_size);
        if (r < 0)
                return r;
        r = events_bpf__load(ev->skel);
        if (r < 0)
                return r;
        /* First the reader, then the hooks: nothing is lost in between. */
        ev->ring = ring_buffer__new(bpf_map__fd(ev->skel->maps.ring), on_record, ev,
                                    /* opts= */ NULL);
        if (!ev->ring)
                return -errno;
        return events_bpf__attach(ev->skel);
}

int events_new(const EventsOptions *options, events_callback_t callback, void *userdata,
               Events **ret, Error *e) {
        _cleanup_(events_freep)
        Events *ev = NULL;
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t ring_size = options && options->ring_size > 0 ? options->ring_size
                                                             : MAX(RING_SIZE_DEFAULT, page);
        int r;

        if (ring_size > UINT32_MAX || ring_size % page != 0 || (ring_size & (ring_size - 1)) != 0)
                return error_set(e, -EINVAL,
                                 "ring buffer of %zu bytes: a power of two and a multiple of %zu "
                                 "is accepted",
                                 ring_size, page);
        r = bpf_support_check(e);
        if (r < 0)
                return r;
        ev = calloc(1, sizeof(*ev));
        if (!ev)
                return error_set(e, -ENOMEM, "out of memory");
        ev->callback = callback;
        ev->userdata = userdata;
        bpf_support_capture();
        r = bpf_support_finish(events_load(ev, ring_size), "BPF lifecycle events", e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(ev);
        return 0;
}

int events_fd(const Events *ev) {
        return ring_buffer__epoll_fd(ev->ring);
}

int events_dispatch(Events *ev) {
        /* Before reading: what comes meanwhile counts for the next time. */
        __atomic_store_n(&ev->skel->bss->execs, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&ev->skel->bss->stormed, 0, __ATOMIC_RELAXED);
        return ring_buffer__consume(ev->ring);
}

void events_set_wake(Events *ev, enum aikm_event_wake wake) {
        __atomic_store_n(&ev->skel->data->wake, (uint32_t)wake, __ATOMIC_RELAXED);
}

uint64_t events_lost(const Events *ev) {
        return __atomic_load_n(&ev->skel->bss->lost, __ATOMIC_RELAXED);
}
