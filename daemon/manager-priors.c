/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>

#include "daemon/manager.h"
#include "daemon/priors-file.h"
#include "util/io.h"

/* Losing this much of what was learned is no loss. */
#define SAVE_EVERY (10 * 60 * USEC_PER_SEC)

static int open_state(const Manager *m) {
        int fd = open(m->options->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* Begun anew, and the file is there for who wants to know. */
static void refuse(int dir_fd, const Manager *m, const char *why) {
        journal_log(LOG_WARNING,
                    "what was learned of programs (%s/" PRIORS_FILE
                    ") cannot be used: %s; beginning anew, the file is kept as " PRIORS_FILE_BAD,
                    m->options->state_dir, why);
        (void)renameat(dir_fd, PRIORS_FILE, dir_fd, PRIORS_FILE_BAD);
}

void manager_load_priors(Manager *m) {
        _cleanup_free_
        PriorEntry *entries = NULL;
        _cleanup_close_
        int fd = -EBADF;
        Error e = ERROR_INIT;
        size_t n = 0;
        int r;

        if (!m->policy.priors.enabled)
                return;
        fd = open_state(m);
        if (fd < 0) {
                if (fd != -ENOENT)
                        journal_log(LOG_WARNING, "cannot open %s: %s, ignoring",
                                    m->options->state_dir, strerror(-fd));
                return;
        }
        r = priors_file_load(fd, (int64_t)usec_now(CLOCK_BOOTTIME), usec_now(CLOCK_REALTIME),
                             &entries, &n, &e);
        if (r < 0) {
                refuse(fd, m, e.text);
                return;
        }
        if (r == 0 || n == 0)
                return;
        r = pipeline_set_priors(m->pipeline, entries, n);
        if (r < 0) {
                refuse(fd, m, r == -EINVAL ? "an entry is impossible" : strerror(-r));
                return;
        }
        manager_record(m, priors, entries, n);
        m->priors_saved = pipeline_get_priors(m->pipeline)->generation;
}

static int save(const Manager *m) {
        _cleanup_close_
        int fd = -EBADF;
        int r;

        r = io_mkdir_p(m->options->state_dir, 0700);
        if (r < 0)
                return r;
        fd = open_state(m);
        if (fd < 0)
                return fd;
        return priors_file_save(fd, pipeline_get_priors(m->pipeline),
                                (int64_t)usec_now(CLOCK_BOOTTIME), usec_now(CLOCK_REALTIME));
}

/* The disk may take seconds, so that while somebody waits for something it is not asked. */
static bool is_time(const Manager *m, usec_t now) {
        PipelineStatus s;

        if (now - m->priors_saved_at < SAVE_EVERY)
                return false;
        pipeline_get_status(m->pipeline, &s);
        for (int k = 0; k < _CONTENTION_COUNT; k++)
                if (s.contended[k])
                        return false;
        return s.n_treated == 0;
}

void manager_save_priors(Manager *m, bool at_stop) {
        usec_t now = usec_now(CLOCK_BOOTTIME);
        uint64_t generation;
        int r;

        if (!m->pipeline)
                return;
        generation = pipeline_get_priors(m->pipeline)->generation;
        if (m->priors_saved_at == 0)
                m->priors_saved_at = now;
        if (generation == m->priors_saved || !(at_stop || is_time(m, now)))
                return;
        r = save(m);
        if (r < 0 && r != m->priors_error)
                journal_log(LOG_WARNING, "cannot write what was learned of programs to %s: %s",
                            m->options->state_dir, strerror(-r));
        m->priors_error = r;
        m->priors_saved_at = now;
        if (r >= 0)
                m->priors_saved = generation;
}

size_t manager_forget_priors(Manager *m, const char *exe) {
        manager_record(m, forget, exe);
        return pipeline_forget_priors(m->pipeline, exe);
}
