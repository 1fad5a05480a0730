/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "models/darknet/worker.h"

#include "util/io.h"

#define UID_NOBODY 65534

/* The last message of a child that did its work: its function's result. */
typedef struct Verdict {
        char magic[8];
        int result;
} Verdict;

#define VERDICT_MAGIC "aikmDONE"

void worker_report(int report_fd, const void *report, size_t size) {
        /* A parent that is gone kills us; there is nobody to tell of a failure. */
        (void)!write(report_fd, report, MIN(size, (size_t)WORKER_REPORT_MAX));
}

static int limit(int resource, rlim_t value) {
        struct rlimit l;

        if (getrlimit(resource, &l) < 0)
                return -errno;
        l.rlim_cur = l.rlim_max = MIN(value, l.rlim_max);
        return setrlimit(resource, &l) < 0 ? -errno : 0;
}

static size_t mapped_bytes(void) {
        char text[256];
        uint64_t pages;

        if (io_read_at(AT_FDCWD, "/proc/self/statm", text, sizeof(text)) < 0)
                return 0;
        text[strcspn(text, " ")] = '\0';
        return parse_u64(text, 0, UINT32_MAX, &pages) < 0 ? 0
                                                          : pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int limit_resources(const WorkerOptions *o) {
        size_t mapped = mapped_bytes();
        int r;

        if ((r = limit(RLIMIT_CPU, o->cpu_seconds)) < 0 || (r = limit(RLIMIT_CORE, 0)) < 0 ||
            (r = limit(RLIMIT_FSIZE, o->memory)) < 0)
                return r;
        return mapped > 0 ? limit(RLIMIT_AS, mapped + o->memory) : 0;
}

static int drop_privileges(void) {
        if (geteuid() == 0) {
                /* Where a container forbids namespaces, going without is no reason to fail. */
                (void)unshare(CLONE_NEWNET | CLONE_NEWIPC);
                if (setgroups(0, NULL) < 0 || setresgid(UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0 ||
                    setresuid(UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0)
                        return -errno;
        }
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        /* /proc/self/fd, through which darknet opens its files, belongs to us only while dumpable.
         */
        return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static bool is_kept(int fd, int report_fd, const WorkerOptions *o) {
        if (fd == report_fd)
                return true;
        for (size_t i = 0; i < o->n_fds; i++)
                if (fd == o->fds[i])
                        return true;
        return false;
}

static int keep_descriptors(int report_fd, int noise_fd, const WorkerOptions *o) {
        _cleanup_close_
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int last = report_fd;

        if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(noise_fd, STDOUT_FILENO) < 0 ||
            dup2(noise_fd, STDERR_FILENO) < 0)
                return -errno;
        for (size_t i = 0; i < o->n_fds; i++)
                last = MAX(last, o->fds[i]);
        for (int fd = STDERR_FILENO + 1; fd <= last; fd++)
                if (!is_kept(fd, report_fd, o))
                        (void)close(fd);
        TAKE_FD(null_fd);
        return close_range((unsigned)last + 1, ~0U, 0) < 0 ? -errno : 0;
}

_Noreturn static void child(worker_function_t function, void *userdata, const WorkerOptions *o,
                            pid_t parent, int report_fd, int noise_fd) {
        Verdict v = {.magic = ""};
        int r;

        if ((r = keep_descriptors(report_fd, noise_fd, o)) < 0 || (r = limit_resources(o)) < 0 ||
            (r = drop_privileges()) < 0)
                goto done;
        /* After the change of identity, which clears it. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
                r = -errno;
                goto done;
        }
        if (getppid() != parent)
                _exit(EXIT_FAILURE);
        r = function(report_fd, userdata);
done:
        memcpy(v.magic, VERDICT_MAGIC, sizeof(v.magic));
        v.result = r;
        worker_report(report_fd, &v, sizeof(v));
        _exit(EXIT_SUCCESS);
}

/* The last line that is not empty of what the child wrote. */
static void last_words(int noise_fd, char *ret, size_t size) {
        char text[512];
        off_t end = lseek(noise_fd, 0, SEEK_END);
        ssize_t n;

        *ret = '\0';
        n = end <= 0 ? 0
                     : pread(noise_fd, text, sizeof(text) - 1,
                             MAX(end - (off_t)sizeof(text) + 1, (off_t)0));
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
                n--;
        if (n <= 0)
                return;
        text[n] = '\0';
        const char *line = strrchr(text, '\n');
        snprintf(ret, size, "; its last words: %.200s", line ? line + 1 : text);
}

static int judge(pid_t pid, const Verdict *v, int noise_fd, Error *e) {
        char words[256];
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return error_set(e, -errno, "cannot wait for the worker: %m");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
            memcmp(v->magic, VERDICT_MAGIC, sizeof(v->magic)) == 0)
                return v->result;
        last_words(noise_fd, words, sizeof(words));
        if (WIFSIGNALED(status))
                return error_set(e, -EPROTO, "the darknet worker was killed by signal %d (%s)%s",
                                 WTERMSIG(status), strsignal(WTERMSIG(status)), words);
        return error_set(e, -EPROTO,
                         "the darknet worker ended with status %d without having done its work%s",
                         WEXITSTATUS(status), words);
}

int worker_run(worker_function_t function, void *userdata, const WorkerOptions *o, Error *e) {
        _cleanup_close_
        int noise_fd = -EBADF, parent_fd = -EBADF, child_fd = -EBADF;
        pid_t parent = getpid(), pid;
        Verdict v = {.magic = ""};
        int pair[2];

        noise_fd = memfd_create("aikm-darknet-noise", MFD_CLOEXEC);
        if (noise_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_set(e, -errno, "cannot prepare the worker: %m");
        parent_fd = pair[0];
        child_fd = pair[1];
        fflush(NULL);
        pid = fork();
        if (pid < 0)
                return error_set(e, -errno, "cannot fork: %m");
        if (pid == 0)
                child(function, userdata, o, parent, child_fd, noise_fd);
        closep(&child_fd);
        child_fd = -EBADF;
        for (;;) {
                char report[WORKER_REPORT_MAX];
                ssize_t n = recv(parent_fd, report, sizeof(report), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                if (n == sizeof(v) && memcmp(report, VERDICT_MAGIC, sizeof(v.magic)) == 0)
                        memcpy(&v, report, sizeof(v));
                else if (o->on_report)
                        o->on_report(report, (size_t)n, o->userdata);
        }
        return judge(pid, &v, noise_fd, e);
}
