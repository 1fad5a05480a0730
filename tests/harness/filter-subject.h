/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What tests of the filter have in common: object files, and why one cannot be run here. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "collectors/filter.h"
#include "util/io.h"

#define SKIPPED 77

typedef struct Subject {
        char *object;
        size_t size;
        FilterModel model;
} Subject;

/* folder/filter-NAME.bpf.o as a model of that identity. */
static inline int subject_load(const char *folder, const char *name, uint64_t identity,
                               Subject *ret) {
        char path[512];
        int r;

        (void)snprintf(path, sizeof(path), "%s/filter-%s.bpf.o", folder, name);
        r = io_read_all_at(AT_FDCWD, path, (size_t)16 << 20, &ret->object, &ret->size);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
                return r;
        }
        ret->model = (FilterModel){
                .object = ret->object, .size = ret->size, .name = name, .identity = identity};
        return 0;
}

static inline void subject_done(Subject *s) {
        free(s->object);
        s->object = NULL;
}

/* Says so and returns true where this process may not load BPF programs at all. */
static inline bool subject_skips(int r, const Error *e) {
        if (r != -EPERM)
                return false;
        printf("SKIP: %s\n", e->text);
        return true;
}

static inline uint64_t boot_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}
