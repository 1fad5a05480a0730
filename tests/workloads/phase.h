/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The clock that a workload's drivers share with its labels.
 *
 * $PHASES is "NAME:SECONDS …", gone through again and again from the moment that the first driver
 * whose program answers has written to the file $PHASE_ZERO, in seconds since boot. Without $PHASES
 * there is one phase, "use", without an end. What the names ask of a driver: "use" what is usual,
 * "rush" as much as it can, "trickle" now and then, "pause" nothing; any other name is as "use".
 */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PHASES_MAX 16

typedef struct Phase {
        char name[16];
        double seconds;
} Phase;

typedef struct PhaseClock {
        Phase list[PHASES_MAX];
        size_t n;
        double total, zero; /* zero: not begun */
} PhaseClock;

static inline double seconds_since_boot(void) {
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Returns false where $PHASES cannot be understood. */
static inline bool phase_clock_read(PhaseClock *c) {
        const char *text = getenv("PHASES");
        int used;

        *c = (PhaseClock){.n = 0};
        for (; text && *text; text += used) {
                Phase *p = &c->list[c->n];

                used = 0;
                if (c->n == PHASES_MAX ||
                    sscanf(text, " %15[a-z]:%lf %n", p->name, &p->seconds, &used) < 2 ||
                    used == 0 || !(p->seconds > 0))
                        return false;
                c->total += p->seconds;
                c->n++;
        }
        return true;
}

/* The program answers: the first phase begins now, unless another driver has begun it. */
static inline void phase_clock_begin(PhaseClock *c) {
        const char *path = getenv("PHASE_ZERO");
        char text[32];
        int fd;

        if (c->n == 0 || c->zero > 0 || !path)
                return;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0) {
                c->zero = seconds_since_boot();
                dprintf(fd, "%.2f\n", c->zero);
                close(fd);
                return;
        }
        for (int i = 0; i < 50 && !(c->zero > 0); i++) {
                ssize_t n = -1;

                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd >= 0) {
                        n = read(fd, text, sizeof(text) - 1);
                        close(fd);
                }
                if (n > 0 && text[n - 1] == '\n') {
                        text[n] = '\0';
                        c->zero = strtod(text, NULL);
                } else {
                        usleep(10000);
                }
        }
}

/* The phase of now, and for how long it lasts. */
static inline const Phase *phase_clock_now(const PhaseClock *c, double *ret_left) {
        static const Phase always = {.name = "use", .seconds = 3600};
        double t;

        *ret_left = always.seconds;
        if (c->n == 0 || !(c->zero > 0))
                return &always;
        t = fmod(fmax(seconds_since_boot() - c->zero, 0), c->total);
        for (size_t i = 0; i < c->n; i++) {
                if (t < c->list[i].seconds) {
                        *ret_left = c->list[i].seconds - t;
                        return &c->list[i];
                }
                t -= c->list[i].seconds;
        }
        *ret_left = 0.01; /* rounding at the end of the list */
        return &c->list[c->n - 1];
}

/* Says in the file "$PHASE_ZERO.notes" that a phase has begun for the program only now: what was
 * asked of it before took until then. */
static inline void phase_note(const Phase *p) {
        const char *zero = getenv("PHASE_ZERO");
        char path[4096];
        int fd;

        if (!zero || snprintf(path, sizeof(path), "%s.notes", zero) >= (int)sizeof(path))
                return;
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
                return;
        dprintf(fd, "%.2f %s\n", seconds_since_boot(), p->name);
        close(fd);
}

static inline bool phase_is(const Phase *p, const char *name) {
        return strcmp(p->name, name) == 0;
}

static inline double random_unit(uint64_t *state) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}
