/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A process to act on: a child of the test with threads of its own, which forks and makes threads
 * on command. And a picture of every attribute of every thread, to compare before with after.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/executor-internal.h"
#include "util/io.h"
#include "util/macro.h"

typedef struct Subject {
        pid_t pid;
        uint64_t start;
        int command; /* 'f' fork, 't' thread, 'c' churn of threads, 's' stop the churn; the answer
                      */
        int answer;  /* is a pid_t each: the child's pid or 0 */
} Subject;

static volatile bool subject_churns;
static _Atomic size_t subject_n_set; /* threads that have their nice */

_unused_ static void *subject_sleep(void *argument) {
        const int *nice = argument;

        if (nice) {
                (void)setpriority(PRIO_PROCESS, (id_t)gettid(), *nice);
                subject_n_set++;
        }
        for (;;)
                (void)pause();
        return NULL;
}

static void *subject_end(void *argument) {
        (void)usleep(1000);
        return NULL;
}

_unused_ static void subject_thread(void *(*run)(void *), const int *argument) {
        pthread_attr_t attr;
        pthread_t thread;

        (void)pthread_attr_init(&attr);
        (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        (void)pthread_attr_setstacksize(&attr, 1 << 17);
        (void)pthread_create(&thread, &attr, run, (void *)argument);
        (void)pthread_attr_destroy(&attr);
}

/* Threads that make threads: some live on, most end at once. */
static void *subject_churn(void *argument) {
        for (int i = 0; subject_churns; i++) {
                subject_thread(i % 40 == 0 && i < 1600 ? subject_sleep : subject_end, NULL);
                (void)usleep(200);
        }
        for (;;)
                (void)pause();
        return NULL;
}

static void subject_run(int command, int answer, const int *nices, size_t n) {
        pid_t reply = 0;
        char c;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (size_t i = 0; i < n; i++)
                subject_thread(subject_sleep, &nices[i]);
        while (subject_n_set < n)
                (void)usleep(1000);
        (void)!write(answer, &reply, sizeof(reply));
        while (read(command, &c, 1) == 1) {
                reply = 0;
                if (c == 'f') {
                        reply = fork();
                        if (reply == 0) {
                                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                                for (;;)
                                        (void)pause();
                        }
                } else if (c == 't')
                        subject_thread(subject_sleep, NULL);
                else if (c == 'c') {
                        subject_churns = true;
                        subject_thread(subject_churn, NULL);
                        subject_thread(subject_churn, NULL);
                } else if (c == 's') {
                        subject_churns = false;
                        (void)usleep(50000);
                }
                (void)!write(answer, &reply, sizeof(reply));
        }
        _exit(0);
}

_unused_ static pid_t subject_ask(const Subject *s, char command) {
        pid_t reply = -1;

        assert_int_equal(write(s->command, &command, 1), 1);
        assert_int_equal(read(s->answer, &reply, sizeof(reply)), sizeof(reply));
        return reply;
}

_unused_ static uint64_t start_of(pid_t pid) {
        _cleanup_close_
        int root = open("/", O_PATH | O_CLOEXEC);
        ProcStat s;

        assert_int_equal(proc_stat_read(root, pid, &s), 0);
        return s.start;
}

/* nices: one thread more for each. */
_unused_ static void subject_new(Subject *s, const int *nices, size_t n, bool own_session) {
        int command[2], answer[2];
        pid_t reply;

        assert_int_equal(pipe2(command, O_CLOEXEC), 0);
        assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
        s->pid = fork();
        assert_true(s->pid >= 0);
        if (s->pid == 0) {
                if (own_session)
                        (void)setsid();
                /* Nothing of the test's may live on in it, the ledger's lock above all. */
                (void)dup2(command[0], 100);
                (void)dup2(answer[1], 101);
                (void)close_range(3, 99, 0);
                (void)close_range(102, ~0U, 0);
                subject_run(100, 101, nices, n);
        }
        close(command[0]);
        close(answer[1]);
        s->command = command[1];
        s->answer = answer[0];
        assert_int_equal(read(s->answer, &reply, sizeof(reply)), sizeof(reply));
        s->start = start_of(s->pid);
}

_unused_ static void subject_kill(Subject *s) {
        if (s->pid <= 0)
                return;
        (void)kill(s->pid, SIGKILL);
        (void)waitpid(s->pid, NULL, 0);
        close(s->command);
        close(s->answer);
        s->pid = 0;
}

_unused_ static int compare_tids(const void *a, const void *b) {
        return *(const pid_t *)a < *(const pid_t *)b ? -1 : *(const pid_t *)a > *(const pid_t *)b;
}

/* What the kernel says of every thread, raw: none of the code under test is asked. */
_unused_ static char *picture(pid_t pid) {
        _cleanup_close_
        int root = open("/", O_PATH | O_CLOEXEC);
        _cleanup_free_
        pid_t *tids = NULL;
        char *text = NULL, file[256], path[64];
        size_t n, size;
        FILE *f;

        assert_int_equal(proc_list_threads(root, pid, &tids, &n), 0);
        qsort(tids, n, sizeof(*tids), compare_tids);
        f = open_memstream(&text, &size);
        assert_non_null(f);
        for (size_t i = 0; i < n; i++) {
                uint64_t attr[7] = {sizeof(attr)};
                cpu_set_t cpus;

                CPU_ZERO(&cpus);
                assert_int_equal(syscall(SYS_sched_getattr, tids[i], attr, sizeof(attr), 0), 0);
                (void)sched_getaffinity(tids[i], sizeof(cpus), &cpus);
                (void)fprintf(f, "%d:", tids[i]);
                for (size_t k = 0; k < ELEMENTSOF(attr); k++)
                        (void)fprintf(f, " %" PRIx64, attr[k]);
                (void)fprintf(f, " io %lx cpus %lx\n", syscall(SYS_ioprio_get, 1, tids[i]),
                              *(unsigned long *)(void *)&cpus);
                (void)snprintf(path, sizeof(path), "proc/%d/task/%d/cgroup", pid, tids[i]);
                if (io_read_at(root, path, file, sizeof(file)) > 0)
                        (void)fputs(file, f);
        }
        (void)snprintf(path, sizeof(path), "proc/%d/autogroup", pid);
        if (io_read_at(root, path, file, sizeof(file)) > 0)
                (void)fputs(file, f);
        (void)fclose(f);
        return text;
}

/* Counts threads with this nice. */
_unused_ static size_t count_nice(pid_t pid, int nice, size_t *ret_threads) {
        _cleanup_close_
        int root = open("/", O_PATH | O_CLOEXEC);
        _cleanup_free_
        pid_t *tids = NULL;
        size_t n, count = 0;

        assert_int_equal(proc_list_threads(root, pid, &tids, &n), 0);
        *ret_threads = 0;
        for (size_t i = 0; i < n; i++) {
                int k;

                errno = 0;
                k = getpriority(PRIO_PROCESS, (id_t)tids[i]);
                if (errno != 0)
                        continue;
                (*ret_threads)++;
                count += k == nice;
        }
        return count;
}
