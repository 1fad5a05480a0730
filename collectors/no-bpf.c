/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Stands for task-iter.c and events.c in a build without BPF: each says so. */

#include <errno.h>

#include "collectors/events.h"
#include "collectors/task-iter.h"

static const char without[] = "built without BPF";

int task_iter_new(TaskIter **ret, Error *e) {
        return error_set(e, -EOPNOTSUPP, "%s", without);
}

TaskIter *task_iter_free(TaskIter *it) {
        return NULL;
}

int task_iter_read(TaskIter *it, Sample *s) {
        return -EOPNOTSUPP;
}

int events_new(const EventsOptions *options, events_callback_t callback, void *userdata,
               Events **ret, Error *e) {
        return error_set(e, -EOPNOTSUPP, "%s", without);
}

Events *events_free(Events *ev) {
        return NULL;
}

int events_fd(const Events *ev) {
        return -EBADF;
}

int events_dispatch(Events *ev) {
        return -EOPNOTSUPP;
}

void events_set_wake(Events *ev, enum aikm_event_wake wake) {
}

uint64_t events_lost(const Events *ev) {
        return 0;
}
