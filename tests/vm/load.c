/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What waits and what makes others wait:
 *   load hog [-t THREADS]               computes without a pause
 *   load server [-b BUSY_US] [-e EVERY_US]
 *                                       answers a timer every 10 ms with 2 ms of work; on SIGUSR1
 *                                       prints how late it was since the last time, and starts anew
 * Both run until they are killed.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "util/macro.h"

enum { LATENCIES_MAX = 1 << 16, THREADS_MAX = 64 };

typedef struct Server {
        uint64_t busy_ns, every_ns;
        uint64_t due_ns;   /* when the timer fires next */
        uint64_t delay_ns; /* run delay, when last told */
        uint32_t n;        /* latencies; what is beyond the maximum is not kept */
        uint32_t late_us[LATENCIES_MAX];
} Server;

static uint64_t now_ns(clockid_t clock) {
        struct timespec t;

        (void)clock_gettime(clock, &t);
        return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void compute(uint64_t ns) {
        uint64_t end = now_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

        while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end)
                for (volatile int i = 0; i < 200; i++)
                        ;
}

static void *hog_thread(void *arg) {
        for (volatile uint64_t i = 0;; i++)
                ;
        return arg;
}

static int hog(unsigned threads) {
        for (unsigned i = 1; i < threads; i++) {
                pthread_t thread;
                int r = pthread_create(&thread, NULL, hog_thread, NULL);

                if (r != 0)
                        return -r;
        }
        (void)hog_thread(NULL);
        return 0;
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

/* Nanoseconds that this process was ready to run and did not. */
static uint64_t run_delay_ns(void) {
        _cleanup_fclose_
        FILE *f = fopen("/proc/self/schedstat", "re");
        char line[128] = "", *rest = line;

        if (!f || !fgets(line, sizeof(line), f))
                return 0;
        (void)strtoull(line, &rest, 10);
        return strtoull(rest, NULL, 10);
}

static void server_tell(Server *s) {
        uint64_t delay = run_delay_ns();
        uint32_t n = s->n;

        qsort(s->late_us, n, sizeof(s->late_us[0]), compare);
        printf("requests %u late_p50_us %u late_p99_us %u run_delay_us %llu\n", n,
               n > 0 ? s->late_us[n / 2] : 0, n > 0 ? s->late_us[n - 1 - n / 100] : 0,
               (unsigned long long)((delay - s->delay_ns) / 1000));
        (void)fflush(stdout);
        s->delay_ns = delay;
        s->n = 0;
}

static int server_answer(Server *s, int timer) {
        uint64_t fired, late;

        if (read(timer, &fired, sizeof(fired)) != (ssize_t)sizeof(fired))
                return -errno;
        late = now_ns(CLOCK_MONOTONIC) - s->due_ns;
        s->due_ns += fired * s->every_ns;
        if (s->n < LATENCIES_MAX)
                s->late_us[s->n++] = late / 1000 < UINT32_MAX ? (uint32_t)(late / 1000)
                                                              : UINT32_MAX;
        compute(s->busy_ns);
        return 0;
}

static int server(Server *s) {
        _cleanup_close_
        int timer = -EBADF, signals = -EBADF;
        struct itimerspec spec = {
                .it_interval = {.tv_sec = (time_t)(s->every_ns / 1000000000U),
                                .tv_nsec = (long)(s->every_ns % 1000000000U)},
        };
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGUSR1);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        signals = signalfd(-1, &mask, SFD_CLOEXEC);
        timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        if (signals < 0 || timer < 0)
                return -errno;
        s->due_ns = now_ns(CLOCK_MONOTONIC) + s->every_ns;
        spec.it_value = (struct timespec){.tv_sec = (time_t)(s->due_ns / 1000000000U),
                                          .tv_nsec = (long)(s->due_ns % 1000000000U)};
        if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
                return -errno;
        for (;;) {
                struct pollfd fds[] = {{.fd = timer, .events = POLLIN},
                                       {.fd = signals, .events = POLLIN}};
                struct signalfd_siginfo info;
                int r;

                if (poll(fds, 2, -1) < 0)
                        return -errno;
                if (fds[1].revents != 0) {
                        if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
                                return -errno;
                        server_tell(s);
                }
                if (fds[0].revents != 0) {
                        r = server_answer(s, timer);
                        if (r < 0)
                                return r;
                }
        }
}

static bool number(const char *text, unsigned long min, unsigned long max, unsigned long *ret) {
        char *end;
        unsigned long v;

        errno = 0;
        v = strtoul(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || v < min || v > max)
                return false;
        *ret = v;
        return true;
}

int main(int argc, char **argv) {
        static Server s;
        unsigned long threads = 1, busy_us = 2000, every_us = 10000;
        bool usage = false;
        int o, r;

        while (!usage && (o = getopt(argc, argv, "t:b:e:")) >= 0)
                switch (o) {
                case 't':
                        usage = !number(optarg, 1, THREADS_MAX, &threads);
                        break;
                case 'b':
                        usage = !number(optarg, 1, 10000000, &busy_us);
                        break;
                case 'e':
                        usage = !number(optarg, 1, 10000000, &every_us);
                        break;
                default:
                        usage = true;
                }
        if (usage || optind != argc - 1) {
                (void)fputs(
                        "usage: load hog [-t THREADS] | load server [-b BUSY_US] [-e EVERY_US]\n",
                        stderr);
                return 2;
        }
        if (strcmp(argv[optind], "hog") == 0) {
                r = hog((unsigned)threads);
        } else if (strcmp(argv[optind], "server") == 0) {
                s.busy_ns = (uint64_t)busy_us * 1000;
                s.every_ns = (uint64_t)every_us * 1000;
                r = server(&s);
        } else {
                (void)fprintf(stderr, "load: no load %s\n", argv[optind]);
                return 2;
        }
        if (r < 0)
                (void)fprintf(stderr, "load: %s\n", strerror(-r));
        return r < 0;
}
