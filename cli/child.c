/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/child.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define GRACE (2 * USEC_PER_SEC)

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCH AUDIT_ARCH_RISCV64
#endif

static const int held[] = {SIGINT, SIGTERM, SIGHUP};

static sigset_t held_set(bool with_child) {
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(held); i++)
                sigaddset(&set, held[i]);
        if (with_child)
                sigaddset(&set, SIGCHLD);
        return set;
}

void child_hold_signals(void) {
        sigset_t set = held_set(/* with_child= */ true);

        (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

void child_release_signals(void) {
        sigset_t set = held_set(/* with_child= */ true);

        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int child_sleep(usec_t time) {
        sigset_t set = held_set(/* with_child= */ false);
        const struct timespec ts = {(time_t)(time / USEC_PER_SEC),
                                    (long)(time % USEC_PER_SEC * NSEC_PER_USEC)};

        return sigtimedwait(&set, NULL, &ts) > 0 ? -EINTR : 0;
}

/* socket(2) for AF_UNIX alone, and no calls by another ABI's numbers. */
static int deny_network(void) {
#ifdef OUR_ARCH
        const struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 3, 0), /* x32 */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = {
                .len = ELEMENTSOF(code),
                .filter = (struct sock_filter *)code,
        };

        /* A kernel without it is no reason not to train. */
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 && errno != EINVAL)
                return -errno;
#endif
        return 0;
}

static void lower_priority(void) {
        (void)setpriority(PRIO_PROCESS, 0, 19);
        (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){});
        (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                      IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

_Noreturn static void become(const char *const *argv, const ChildOptions *o, pid_t parent) {
        const struct rlimit none = {0, 0};
        sigset_t set = held_set(/* with_child= */ true);

        if (setsid() < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || deny_network() < 0)
                _exit(126);
        if (getppid() != parent)
                _exit(126);
        if (o->idle)
                lower_priority();
        if (o->stdout_fd >= 0 && dup2(o->stdout_fd, STDOUT_FILENO) < 0)
                _exit(126);
        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
        execv(argv[0], (char *const *)argv);
        _exit(127);
}

int child_start(const char *const *argv, const ChildOptions *o, Child *ret, Error *e) {
        pid_t parent = getpid(), pid;

        fflush(NULL);
        pid = fork();
        if (pid < 0)
                return error_set(e, -errno, "cannot fork: %s", strerror(errno));
        if (pid == 0)
                become(argv, o, parent);
        *ret = (Child){.pid = pid};
        return 0;
}

int child_wait(Child *c, usec_t timeout, int *ret_status) {
        sigset_t set = held_set(/* with_child= */ true);
        usec_t end = usec_now(CLOCK_MONOTONIC) + timeout;

        for (;;) {
                usec_t now = usec_now(CLOCK_MONOTONIC);
                struct timespec left = {};
                int signal, status;

                if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
                        c->pid = 0;
                        *ret_status = status;
                        return 1;
                }
                if (now >= end)
                        return 0;
                left.tv_sec = (time_t)((end - now) / USEC_PER_SEC);
                left.tv_nsec = (long)((end - now) % USEC_PER_SEC * NSEC_PER_USEC);
                signal = sigtimedwait(&set, NULL, &left);
                if (signal > 0 && signal != SIGCHLD) {
                        child_end(c);
                        return -EINTR;
                }
        }
}

void child_pause(Child *c, bool pause) {
        if (c->pid > 0 && c->paused != pause)
                (void)kill(-c->pid, pause ? SIGSTOP : SIGCONT);
        c->paused = pause;
}

void child_end(Child *c) {
        usec_t end = usec_now(CLOCK_MONOTONIC) + GRACE;
        pid_t group = c->pid;

        if (c->pid <= 0)
                return;
        (void)kill(-group, SIGTERM);
        (void)kill(-group, SIGCONT);
        while (waitpid(c->pid, NULL, WNOHANG) == 0 && usec_now(CLOCK_MONOTONIC) < end)
                (void)usleep(10000);
        /* It is dead or reaped; its own children share its group. */
        (void)kill(-group, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
        *c = (Child){};
}
