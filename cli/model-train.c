/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/model-train.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/program.h"
#include "util/io.h"

#define SQLITE_MAGIC "SQLite format 3" /* and its NUL */
#define LOOK (1 * USEC_PER_SEC)
#define ARGUMENTS_MAX 32

static const char *const darknet_places[] = {"aikm-darknet", "../models/darknet/aikm-darknet"};
static const char *const record_places[] = {"aikm-record", "../record/aikm-record"};

static void remove_files(int dir_fd) {
        _cleanup_closedir_ DIR *dir = NULL;

        if (io_open_dir_at(dir_fd, ".", &dir) < 0)
                return;
        for (struct dirent *d; (d = readdir(dir));)
                if (!streq(d->d_name, ".") && !streq(d->d_name, ".."))
                        (void)unlinkat(dir_fd, d->d_name, 0);
}

void train_folder_done(TrainFolder *f) {
        _cleanup_close_
        int fd = -EBADF, model_fd = -EBADF;

        if (!f->path[0])
                return;
        fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) {
                model_fd = openat(fd, "model", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (model_fd >= 0) {
                        remove_files(model_fd);
                        (void)unlinkat(fd, "model", AT_REMOVEDIR);
                }
                remove_files(fd);
                (void)rmdir(f->path);
        }
        f->path[0] = '\0';
}

int train_folder_make(const char *in, TrainFolder *ret, Error *e) {
        TrainFolder f;
        char model[sizeof(f.path) + 8];

        if ((size_t)snprintf(f.path, sizeof(f.path), "%s/.aikm-model.XXXXXX", in) >= sizeof(f.path))
                return error_set(e, -ENAMETOOLONG, "%s: the path is too long", in);
        if (!mkdtemp(f.path))
                return error_set(e, -errno, "cannot make a folder in %s: %s", in, strerror(errno));
        *ret = f;
        snprintf(model, sizeof(model), "%s/model", f.path);
        if (mkdir(model, 0755) < 0)
                return error_set(e, -errno, "cannot make %s: %s", model, strerror(errno));
        return 0;
}

/* Runs a program to its end. */
static int run_child(const TrainJob *job, const char *const *argv, usec_t end, Error *e) {
        Child c = {};
        int r, status = 0;

        r = child_start(argv, &(ChildOptions){.idle = job->idle, .stdout_fd = -EBADF}, &c, e);
        if (r < 0)
                return r;
        while ((r = child_wait(&c, LOOK, &status)) == 0) {
                if (usec_now(CLOCK_MONOTONIC) >= end) {
                        child_end(&c);
                        return error_set(e, -ETIME, "it took too long");
                }
                child_pause(&c, job->hold && job->hold(job->userdata));
        }
        if (r < 0)
                return r;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) < 126)
                return -EPROTO; /* it has said why */
        if (WIFEXITED(status))
                return error_set(e, -EPROTO, "cannot run %s", argv[0]);
        return error_set(e, -EPROTO, "%s was killed by signal %d", argv[0], WTERMSIG(status));
}

/* Whether a file is a database; -errno where it cannot be read. */
static int is_database(const char *path, Error *e) {
        char head[sizeof(SQLITE_MAGIC)] = {};
        _cleanup_close_
        int fd = -EBADF;
        struct stat st;

        if (stat(path, &st) < 0)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "%s: not a plain file", path);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        return read(fd, head, sizeof(head)) == sizeof(head) &&
               memcmp(head, SQLITE_MAGIC, sizeof(head)) == 0;
}

/* ret: the path of rows as CSV. */
static int get_rows(const TrainJob *job, const TrainFolder *folder, usec_t end, char *ret,
                    size_t size, Error *e) {
        char program[4096];
        const char *argv[ARGUMENTS_MAX];
        size_t n = 0;
        int r;

        r = job->data ? is_database(job->data, e) : 1;
        if (r < 0)
                return r;
        if (r == 0) {
                snprintf(ret, size, "%s", job->data);
                return 0;
        }
        r = program_find("AIKM_RECORD", record_places, ELEMENTSOF(record_places), program,
                         sizeof(program));
        if (r < 0)
                return error_set(e, r,
                                 "aikm-record, which reads the data set, is not found beside "
                                 "aikmctl (%s): the package aikm-record has it, and AIKM_RECORD "
                                 "may name it; --data can name rows in CSV",
                                 strerror(-r));
        snprintf(ret, size, "%s/rows.csv", folder->path);
        argv[n++] = program;
        argv[n++] = "export";
        if (job->data) {
                argv[n++] = "--database";
                argv[n++] = job->data;
        }
        argv[n++] = "--format";
        argv[n++] = "csv";
        argv[n++] = "--label-required";
        argv[n++] = "--output";
        argv[n++] = ret;
        argv[n] = NULL;
        return run_child(job, argv, end, e);
}

static int find_darknet(char *ret, size_t size, Error *e) {
        int r = program_find("AIKM_DARKNET", darknet_places, ELEMENTSOF(darknet_places), ret, size);

        return r < 0 ? error_set(e, r,
                                 "aikm-darknet, which trains, is not found beside aikmctl (%s): "
                                 "the package aikm-darknet has it, and AIKM_DARKNET may name it",
                                 strerror(-r))
                     : 0;
}

int train_verify(const char *manifest, Error *e) {
        const TrainJob job = {};
        char program[4096];
        const char *argv[] = {program, "verify", "--manifest", manifest, NULL};
        int r = find_darknet(program, sizeof(program), e);

        return r < 0 ? r : run_child(&job, argv, USEC_INFINITY, e);
}

int train_run(const TrainJob *job, const TrainFolder *folder, Error *e) {
        char program[4096], rows[4096 + 16], model[4096 + 16];
        usec_t now = usec_now(CLOCK_MONOTONIC);
        usec_t end = job->limit == USEC_INFINITY ? USEC_INFINITY : now + job->limit;
        const char *argv[ARGUMENTS_MAX] = {program, "train"};
        const struct {
                const char *option, *value;
        } options[] = {
                {"--rows", rows},
                {"--output-dir", model},
                {"--name", job->name},
                {"--model-version", job->version},
                {"--split", job->split},
                {"--seed", job->seed},
                {"--epochs", job->epochs},
                {"--from", job->from},
                {"--progress", job->json ? "json" : "text"},
                {"--patience", "10"},
        };
        size_t n = 2;
        int r;

        r = find_darknet(program, sizeof(program), e);
        if (r < 0)
                return r;
        r = get_rows(job, folder, end, rows, sizeof(rows), e);
        if (r < 0)
                return r;
        snprintf(model, sizeof(model), "%s/model", folder->path);
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                if (!options[i].value)
                        continue;
                argv[n++] = options[i].option;
                argv[n++] = options[i].value;
        }
        argv[n] = NULL;
        return run_child(job, argv, end, e);
}
