/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/build.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "util/io.h"

#define COMPLAINT_MAX 65536
#define COMPLAINT_SHOWN 2000 /* bytes, of whole lines */

extern char **environ;

/* In the order in which they are looked for; a name with a slash is a path. */
static const char *const clangs[] = {"clang",    "clang-19", "clang-18", "clang-17",
                                     "clang-16", "clang-15", "clang-14", NULL};
static const char *const bpftools[] = {"bpftool", "/usr/sbin/bpftool", NULL};

static const int ending[] = {SIGHUP, SIGINT, SIGTERM};

int build_check_interrupted(Error *e) {
        sigset_t waiting;

        sigemptyset(&waiting);
        (void)sigpending(&waiting);
        for (size_t i = 0; i < ELEMENTSOF(ending); i++)
                if (sigismember(&waiting, ending[i]) == 1)
                        return error_set(e, -EINTR, "interrupted by SIG%s",
                                         sigabbrev_np(ending[i]));
        return 0;
}

int build_folder_init(BuildFolder *f, Error *e) {
        const char *dir = secure_getenv("TMPDIR");
        sigset_t held;

        if (!dir || dir[0] != '/')
                dir = "/tmp";
        if (strlen(dir) > BUILD_FOLDER_MAX - 32)
                return error_set(e, -ENAMETOOLONG, "TMPDIR has %zu characters: accepted are %d",
                                 strlen(dir), BUILD_FOLDER_MAX - 32);
        sigemptyset(&held);
        for (size_t i = 0; i < ELEMENTSOF(ending); i++)
                sigaddset(&held, ending[i]);
        (void)sigprocmask(SIG_BLOCK, &held, &f->mask);

        snprintf(f->path, sizeof(f->path), "%s/aikm-compile.XXXXXX", dir);
        if (mkdtemp(f->path))
                return 0;
        int r = -errno;

        (void)sigprocmask(SIG_SETMASK, &f->mask, NULL);
        error_set(e, r, "cannot make a folder in %s: %s", f->path, strerror(-r));
        f->path[0] = '\0';
        return r;
}

void build_folder_done(BuildFolder *f) {
        _cleanup_closedir_ DIR *d = NULL;
        const struct dirent *entry;

        if (!f->path[0])
                return;
        d = opendir(f->path);
        while (d && (entry = readdir(d)))
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                        (void)unlinkat(dirfd(d), entry->d_name, 0);
        (void)rmdir(f->path);
        f->path[0] = '\0';
        (void)sigprocmask(SIG_SETMASK, &f->mask, NULL);
}

/* Starts argv in the folder, its output to the file `out` (NULL: nowhere), its complaints to
 * "complaints". Returns its status, or -errno. */
static int run_in(const BuildFolder *f, const char *const *argv, const char *out) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        int r, status;
        pid_t pid;

        r = -posix_spawn_file_actions_init(&actions);
        if (r < 0)
                return r;
        r = -posix_spawnattr_init(&attributes);
        if (r < 0) {
                posix_spawn_file_actions_destroy(&actions);
                return r;
        }
        (void)posix_spawnattr_setsigmask(&attributes, &f->mask);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        r = -posix_spawn_file_actions_addchdir_np(&actions, f->path);
        if (r == 0)
                r = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
                                                      0);
        if (r == 0)
                r = -posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out ?: "/dev/null",
                                                      O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (r == 0)
                r = -posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "complaints",
                                                      O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (r == 0)
                r = -posix_spawnp(&pid, argv[0], &actions, &attributes, (char *const *)argv,
                                  environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What it complained of: the beginning to standard error, the first line that says "error" into *e.
 */
static int complain(const BuildFolder *f, const char *tool, int status, Error *e) {
        _cleanup_free_
        char *text = NULL;
        char path[BUILD_PATH_MAX];
        size_t size;
        const char *line;

        snprintf(path, sizeof(path), "%s/complaints", f->path);
        if (io_read_all_at(AT_FDCWD, path, COMPLAINT_MAX, &text, &size) < 0 || size == 0)
                return error_set(e, -EIO, "%s failed with status %d", tool, status);
        for (const char *l = text, *end = text; l - text < COMPLAINT_SHOWN && *l; l = end) {
                end = l + strcspn(l, "\n");
                end += *end == '\n';
                fwrite(l, 1, (size_t)(end - l), stderr);
        }
        line = strstr(text, "error");
        while (line && line > text && line[-1] != '\n')
                line--;
        return error_set(e, -EIO, "%s failed with status %d: %.*s", tool, status,
                         (int)strcspn(line ?: text, "\n"), line ?: text);
}

/* $variable, or the first of the names that there is. argv[0] is set to it. */
static int run_tool(const BuildFolder *f, const char *variable, const char *const *names,
                    const char **argv, const char *out, Error *e) {
        const char *given = secure_getenv(variable);
        int r = -ENOENT;

        if (given && given[0]) {
                argv[0] = given;
                r = run_in(f, argv, out);
        } else {
                for (; *names && r == -ENOENT; names++) {
                        argv[0] = *names;
                        r = run_in(f, argv, out);
                }
        }
        if (r == -ENOENT || r == 127)
                return error_set(e, -ENOENT,
                                 "%s is not installed: compiling needs the packages clang, bpftool "
                                 "and libbpf-dev",
                                 given && given[0] ? given : argv[0]);
        if (r < 0)
                return error_set(e, r, "%s cannot be started: %s", argv[0], strerror(-r));
        if (build_check_interrupted(e) < 0)
                return -EINTR;
        return r > 0 ? complain(f, argv[0], r, e) : 0;
}

static const char *include_dir(void) {
        const char *given = secure_getenv("AIKM_INCLUDE_DIR");

        return given && given[0] ? given : AIKM_BPF_INCLUDE_DIR;
}

static int run_clang(const BuildFolder *f, const char *source, const char *object, Error *e) {
        const char *include = include_dir();
        char prefix[PATH_MAX + 32];
        const char *argv[] = {
                NULL,
                "-O2",
                "-g",
                "-target",
                AIKM_BPF_TARGET,
                "-mcpu=v3",
                "-Wall",
                "-Wno-unused-function",
                "-fno-stack-protector",
                "-fdebug-compilation-dir=.",
                prefix,
                "-idirafter",
                AIKM_MULTIARCH_INCLUDE,
                "-I",
                include,
                "-c",
                source,
                "-o",
                object,
                NULL,
        };

        /* BTF has file names in it: those of any build are the same. */
        snprintf(prefix, sizeof(prefix), "-ffile-prefix-map=%s/=", include);
        return run_tool(f, "AIKM_CLANG", clangs, argv, NULL, e);
}

int build_source(const BuildFolder *f, const Program *p, Target target, const FrameFields *fields,
                 Error *e) {
        char path[BUILD_PATH_MAX];
        FILE *file;
        int r;

        snprintf(path, sizeof(path), "%s/%s.bpf.c", f->path, p->name);
        file = fopen(path, "we");
        if (!file)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        r = frame_print(file, p, target, fields, e);
        if (fclose(file) != 0 && r >= 0)
                r = error_set(e, -EIO, "%s: cannot be written", path);
        return r;
}

int build_object(const BuildFolder *f, const char *name, bool skeleton, Error *e) {
        char source[96], object[96], linked[96], header[96]; /* names are at most 63 long */
        int r;

        snprintf(source, sizeof(source), "%s.bpf.c", name);
        snprintf(object, sizeof(object), "%s.unlinked.o", name);
        snprintf(linked, sizeof(linked), "%s.bpf.o", name);
        snprintf(header, sizeof(header), "%s.skel.h", name);
        r = run_clang(f, source, object, e);
        if (r >= 0) {
                /* The static linker drops DWARF and keeps BTF. */
                const char *argv[] = {NULL, "gen", "object", linked, object, NULL};

                r = run_tool(f, "AIKM_BPFTOOL", bpftools, argv, NULL, e);
        }
        if (r >= 0 && skeleton) {
                const char *argv[] = {NULL, "gen", "skeleton", linked, "name", name, NULL};

                r = run_tool(f, "AIKM_BPFTOOL", bpftools, argv, header, e);
        }
        return r;
}
