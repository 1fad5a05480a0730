/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Groups of our own, <name>-low-<weight>, where no systemd manages the tree. They stand directly
 * below the root, because a weight counts among siblings alone: in a folder of ours they would have
 * the folder's. libcgroup makes them and sets their weights; a process is moved by one write to
 * cgroup.procs, because libcgroup's attach on v1 moves a single thread. The only file that includes
 * libcgroup.
 */

#include "daemon/actuators/actuator.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <stdint.h>
#include <libcgroup.h>

#include "util/io.h"
#include "util/macro.h"

#define MOUNTINFO_MAX ((size_t)1 << 20)
#define WEIGHT_DEFAULT 100 /* v2 scale */
#define SHARES_DEFAULT 1024
#define SHARES_LEAST 2
#define SEPARATOR " // " /* no cgroup path holds two slashes in a row */

typedef struct Hierarchy {
        const char *controller; /* "cpu", "io", "blkio"; NULL: none */
        bool v2;
        char mount[160]; /* below the root, without leading slash */
} Hierarchy;

typedef struct Cgroups {
        Hierarchy cpu;
        Hierarchy io; /* without controller: no disk looks at weights */
        bool one_hierarchy;
        bool initialised; /* libcgroup */
} Cgroups;

typedef struct Place {
        char cpu[ACTUATOR_VALUE_MAX], io[ACTUATOR_VALUE_MAX]; /* io empty: not in use */
} Place;

/* --- what is mounted ------------------------------------------------------------------------- */

static bool has_word(const char *list, const char *word, const char *separators) {
        size_t n = strlen(word);

        for (const char *p = list; *p; p += strspn(p, separators)) {
                size_t k = strcspn(p, separators);

                if (k == n && strncmp(p, word, n) == 0)
                        return true;
                p += k;
        }
        return false;
}

static bool v2_has(int root_fd, const char *mount, const char *controller) {
        char path[256], text[512];

        (void)snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
        return io_read_at(root_fd, path, text, sizeof(text)) > 0 &&
               has_word(text, controller, " \n");
}

static void take_mount(Hierarchy *h, const char *controller, bool v2, const char *mount) {
        if (h->controller)
                return;
        h->controller = controller;
        h->v2 = v2;
        (void)snprintf(h->mount, sizeof(h->mount), "%s", mount);
}

/* proc/self/mountinfo: "31 23 0:29 ROOT MOUNT OPTIONS [tags] - TYPE SOURCE SUPEROPTIONS". Mounts
 * that show a part of a hierarchy, or whose path holds blanks, are no use. */
static void take_line(int root_fd, char *line, Cgroups *g) {
        char root[8], mount[160], type[16], options[512];
        char *dash = strstr(line, " - ");

        if (!dash || sscanf(dash, " - %15s %*s %511s", type, options) != 2 ||
            sscanf(line, "%*s %*s %*s %7s /%159s", root, mount) != 2 || !streq(root, "/") ||
            strchr(mount, '\\'))
                return;
        if (streq(type, "cgroup")) {
                if (has_word(options, "cpu", ","))
                        take_mount(&g->cpu, "cpu", false, mount);
                if (has_word(options, "blkio", ","))
                        take_mount(&g->io, "blkio", false, mount);
        } else if (streq(type, "cgroup2")) {
                if (v2_has(root_fd, mount, "cpu"))
                        take_mount(&g->cpu, "cpu", true, mount);
                if (v2_has(root_fd, mount, "io"))
                        take_mount(&g->io, "io", true, mount);
        }
}

/* Weights between groups are BFQ's; the other schedulers do not look at them. */
static bool any_disk_uses_bfq(int root_fd) {
        bool found = false;
        DIR *dir;
        int fd;

        fd = openat(root_fd, "sys/block", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return false;
        }
        for (struct dirent *d; !found && (d = readdir(dir));) {
                char path[512], text[256];

                (void)snprintf(path, sizeof(path), "%s/queue/scheduler", d->d_name);
                found = io_read_at(fd, path, text, sizeof(text)) > 0 && strstr(text, "[bfq]");
        }
        (void)closedir(dir);
        return found;
}

static int cgroup_probe(ActuatorContext *c, Error *e) {
        _cleanup_free_
        char *text = NULL;
        _cleanup_free_
        Cgroups *g = NULL;
        char *save = NULL;
        size_t size;
        int r;

        if (!c->cgroup_name[0] || c->cgroup_name[0] == '.' || strchr(c->cgroup_name, '/'))
                return error_set(e, -EOPNOTSUPP, "\"%s\" is no name for a cgroup", c->cgroup_name);
        if (faccessat(c->root_fd, "run/systemd/system", F_OK, 0) >= 0)
                return error_set(e, -EOPNOTSUPP,
                                 "systemd manages the cgroup tree, and nothing is delegated to us");
        r = io_read_all_at(c->root_fd, "proc/self/mountinfo", MOUNTINFO_MAX, &text, &size);
        if (r < 0)
                return error_set(e, -EOPNOTSUPP, "/proc/self/mountinfo: %s", strerror(-r));
        g = calloc(1, sizeof(*g));
        if (!g)
                return error_set(e, -ENOMEM, "out of memory");
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                take_line(c->root_fd, line, g);
        if (!g->cpu.controller)
                return error_set(e, -EOPNOTSUPP, "no cgroup hierarchy has the cpu controller");
        if (faccessat(c->root_fd, g->cpu.mount, W_OK, AT_EACCESS) < 0)
                return error_set(e, -EOPNOTSUPP, "/%s cannot be written: %m", g->cpu.mount);
        if (!any_disk_uses_bfq(c->root_fd))
                g->io.controller = NULL;
        g->one_hierarchy = g->io.controller && streq(g->io.mount, g->cpu.mount);
        c->cgroup = TAKE_PTR(g);
        return error_set(e, 0, "cgroup v%d%s", ((Cgroups *)c->cgroup)->cpu.v2 ? 2 : 1,
                         ((Cgroups *)c->cgroup)->io.controller
                                 ? ""
                                 : "; I/O weights have no effect without the bfq I/O scheduler");
}

/* --- where a process is ---------------------------------------------------------------------- */

/* One line is "HIERARCHY:CONTROLLERS:PATH"; v2's is "0::PATH". */
static int find_path(const char *text, const Hierarchy *h, char *ret, size_t size) {
        for (const char *line = text; *line;) {
                size_t n = strcspn(line, "\n");
                const char *first = memchr(line, ':', n);
                const char *second = first ? memchr(first + 1, ':', n - (size_t)(first + 1 - line))
                                           : NULL;

                if (second) {
                        char controllers[256];
                        size_t k = (size_t)(second - first) - 1;
                        size_t length = n - (size_t)(second + 1 - line);

                        (void)snprintf(controllers, sizeof(controllers), "%.*s", (int)k, first + 1);
                        if (h->v2 ? k == 0 && line[0] == '0'
                                  : has_word(controllers, h->controller, ",")) {
                                if (length >= size)
                                        return -ENAMETOOLONG;
                                memcpy(ret, second + 1, length);
                                ret[length] = '\0';
                                return 0;
                        }
                }
                line += n + (line[n] == '\n');
        }
        return -ENOTTY;
}

static int read_place(ActuatorContext *c, const char *path, Place *ret) {
        const Cgroups *g = c->cgroup;
        char text[8192];
        ssize_t n;
        int r;

        n = io_read_at(c->root_fd, path, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int)n;
        *ret = (Place){0};
        r = find_path(text, &g->cpu, ret->cpu, sizeof(ret->cpu));
        if (r >= 0 && g->io.controller && !g->one_hierarchy)
                r = find_path(text, &g->io, ret->io, sizeof(ret->io));
        return r;
}

static int place_format(const Place *p, char value[ACTUATOR_VALUE_MAX]) {
        int n = snprintf(value, ACTUATOR_VALUE_MAX, "%s%s%s", p->cpu, p->io[0] ? SEPARATOR : "",
                         p->io);

        return n < 0 || n >= ACTUATOR_VALUE_MAX ? -ENAMETOOLONG : 0;
}

static int place_parse(const char *value, Place *ret) {
        const char *separator = strstr(value, SEPARATOR);
        size_t n = separator ? (size_t)(separator - value) : strlen(value);

        *ret = (Place){0};
        if (value[0] != '/' || strlen(value) >= ACTUATOR_VALUE_MAX || strstr(value, "/../"))
                return -EINVAL;
        memcpy(ret->cpu, value, n);
        if (separator)
                (void)snprintf(ret->io, sizeof(ret->io), "%s", separator + strlen(SEPARATOR));
        return separator && ret->io[0] != '/' ? -EINVAL : 0;
}

/* Of all threads: a process that its owner spread over groups is his to arrange (-EBUSY). */
static int cgroup_read(ActuatorContext *c, const ActuatorTarget *t,
                       char value[ACTUATOR_VALUE_MAX]) {
        Place place, first;
        char path[320];
        DIR *dir;
        int r = 0, fd;
        bool any = false;

        if (!c->cgroup)
                return -EOPNOTSUPP;
        (void)snprintf(path, sizeof(path), "proc/%d/task", t->pid);
        fd = openat(c->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                r = errno == ENOENT ? -ESRCH : -errno;
                if (fd >= 0)
                        close(fd);
                return r;
        }
        for (struct dirent *d; r >= 0 && (d = readdir(dir));) {
                if (d->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "proc/%d/task/%s/cgroup", t->pid, d->d_name);
                r = read_place(c, path, &place);
                if (r == -ESRCH) {
                        r = 0;
                        continue;
                }
                if (r >= 0 && any && !(streq(place.cpu, first.cpu) && streq(place.io, first.io)))
                        r = -EBUSY;
                first = place;
                any = true;
        }
        (void)closedir(dir);
        if (r < 0)
                return r;
        return any ? place_format(&first, value) : -ESRCH;
}

/* --- our groups ------------------------------------------------------------------------------ */

/* A process is taken from the root of the hierarchy alone: any other group may carry limits that it
 * must not escape, and belongs to somebody. */
static int cgroup_plan(ActuatorContext *c, const Treatment *t, const char *old,
                       char ret_new[ACTUATOR_VALUE_MAX]) {
        const Cgroups *g = c->cgroup;
        bool cpu, io;
        Place p;
        int r;

        r = g ? place_parse(old, &p) : -EOPNOTSUPP;
        if (r < 0)
                return r;
        cpu = (t->set & TREAT_CPU_WEIGHT) && t->cpu_weight < WEIGHT_DEFAULT && streq(p.cpu, "/");
        io = (t->set & TREAT_IO_WEIGHT) && t->io_weight < WEIGHT_DEFAULT && g->io.controller &&
             streq(g->one_hierarchy ? p.cpu : p.io, "/");
        if (!cpu && !io)
                return 0;
        if (g->one_hierarchy && io)
                (void)snprintf(p.cpu, sizeof(p.cpu), "/%s-low-%" PRIu32 "-%" PRIu32, c->cgroup_name,
                               cpu ? t->cpu_weight : WEIGHT_DEFAULT, t->io_weight);
        else if (cpu)
                (void)snprintf(p.cpu, sizeof(p.cpu), "/%s-low-%" PRIu32, c->cgroup_name,
                               t->cpu_weight);
        if (io && !g->one_hierarchy)
                (void)snprintf(p.io, sizeof(p.io), "/%s-low-%" PRIu32, c->cgroup_name,
                               t->io_weight);
        r = place_format(&p, ret_new);
        return r < 0 ? r : 1;
}

static int convert(int code) {
        switch (code) {
        case 0:
                return 0;
        case ECGOTHER:
                return cgroup_get_last_errno() > 0 ? -cgroup_get_last_errno() : -EIO;
        case ECGROUPNOTALLOWED:
        case ECGROUPNOTOWNER:
                return -EPERM;
        case ECGROUPNOTEXIST:
        case ECGROUPNOTCREATED:
                return -ENOENT;
        case ECGROUPVALUENOTEXIST:
        case ECGROUPSUBSYSNOTMOUNTED:
        case ECGROUPNOTMOUNTED:
        case ECGROUPNOTCOMPILED:
                return -EOPNOTSUPP;
        case ECGNONEMPTY:
                return -EBUSY;
        default:
                return -EIO;
        }
}

static void group_freep(struct cgroup **g) {
        if (*g)
                cgroup_free(g);
}

/* libcgroup knows the real root only. */
static int library_init(ActuatorContext *c, Cgroups *g) {
        struct stat ours, real;
        int r;

        if (g->initialised)
                return 0;
        if (fstat(c->root_fd, &ours) < 0 || stat("/", &real) < 0)
                return -errno;
        if (ours.st_dev != real.st_dev || ours.st_ino != real.st_ino)
                return -EOPNOTSUPP;
        r = convert(cgroup_init());
        g->initialised = r >= 0;
        return r;
}

/* Whether the kernel has a file; asked of the group itself, because the root lacks most of them. */
static bool group_has(ActuatorContext *c, const Hierarchy *h, const char *group, const char *file) {
        char path[1024];

        (void)snprintf(path, sizeof(path), "%s%s/%s", h->mount, group, file);
        return faccessat(c->root_fd, path, F_OK, 0) >= 0;
}

static int set_cpu_weight(struct cgroup *g, const Hierarchy *h, uint64_t weight, bool has_idle) {
        struct cgroup_controller *k = cgroup_add_controller(g, "cpu");

        if (!k)
                return -ENOMEM;
        if (weight == 0 && has_idle)
                return convert(cgroup_set_value_int64(k, "cpu.idle", 1));
        if (h->v2)
                return convert(cgroup_set_value_uint64(k, "cpu.weight", MAX(weight, 1u)));
        return convert(cgroup_set_value_uint64(
                k, "cpu.shares", MAX(weight * SHARES_DEFAULT / WEIGHT_DEFAULT, SHARES_LEAST)));
}

static int set_io_weight(struct cgroup *g, const Hierarchy *h, uint64_t weight) {
        struct cgroup_controller *k = cgroup_add_controller(g, h->controller);

        if (!k)
                return -ENOMEM;
        return convert(cgroup_set_value_uint64(k, h->v2 ? "io.bfq.weight" : "blkio.bfq.weight",
                                               CLAMP(weight, 1u, 1000u)));
}

static ssize_t read_note(int fd, char *ret, size_t size) {
        ssize_t n = fgetxattr(fd, "user.aikm.undo", ret, size - 1);

        if (n < 0)
                n = fgetxattr(fd, "trusted.aikm.undo", ret, size - 1);
        ret[MAX(n, 0)] = '\0';
        return n;
}

static int write_note(int fd, const char *note) {
        if (fsetxattr(fd, "user.aikm.undo", note, strlen(note), 0) < 0 &&
            fsetxattr(fd, "trusted.aikm.undo", note, strlen(note), 0) < 0)
                return -errno;
        return 0;
}

/*
 * On v2 a group has the controllers that the root's cgroup.subtree_control enables; libcgroup does
 * that below the root only. What was off before is noted on an empty group that has our name,
 * first: there it is found by whoever cleans up, after a crash too.
 */
static int enable_controllers(ActuatorContext *c, const Hierarchy *h, const char *controllers) {
        char path[512], control[512], text[512], note[64], wanted[64], word[8], *save = NULL;
        _cleanup_close_
        int fd = -EBADF;
        size_t before;
        ssize_t n;
        int r;

        (void)snprintf(control, sizeof(control), "%s/cgroup.subtree_control", h->mount);
        n = io_read_at(c->root_fd, control, text, sizeof(text));
        if (n < 0)
                return (int)n;
        (void)snprintf(path, sizeof(path), "%s/%s", h->mount, c->cgroup_name);
        if (mkdirat(c->root_fd, path, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(c->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        (void)read_note(fd, note, sizeof(note));
        before = strlen(note);
        (void)snprintf(wanted, sizeof(wanted), "%s", controllers);
        for (char *p = strtok_r(wanted, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
                (void)snprintf(word, sizeof(word), "-%s", p);
                if (!has_word(text, p, " \n") && !has_word(note, word, " "))
                        (void)snprintf(note + strlen(note), sizeof(note) - strlen(note), "%s%s",
                                       note[0] ? " " : "", word);
        }
        r = strlen(note) > before ? write_note(fd, note) : 0;
        (void)snprintf(wanted, sizeof(wanted), "%s", controllers);
        for (char *p = strtok_r(wanted, " ", &save); r >= 0 && p; p = strtok_r(NULL, " ", &save)) {
                (void)snprintf(word, sizeof(word), "+%s", p);
                if (!has_word(text, p, " \n"))
                        r = io_write_at(c->root_fd, control, word);
        }
        return r;
}

/* group: "/NAME-low-CPU" or "/NAME-low-CPU-IO"; in a hierarchy of io alone "/NAME-low-IO". */
static int make_group(ActuatorContext *c, Cgroups *g, const Hierarchy *h, const char *group) {
        _cleanup_(group_freep)
        struct cgroup *made = NULL;
        const char *p = group + strlen(c->cgroup_name) + strlen("//low-");
        char cpu[16], io[16] = "", path[1024];
        uint64_t cpu_weight, io_weight = 0;
        int r;

        if (sscanf(p, "%15[0-9]-%15[0-9]", cpu, io) < 1 ||
            parse_u64(cpu, 0, 10000, &cpu_weight) < 0 ||
            (io[0] && parse_u64(io, 0, 10000, &io_weight) < 0))
                return -EINVAL;
        (void)snprintf(path, sizeof(path), "%s%s", h->mount, group);
        if (faccessat(c->root_fd, path, F_OK, 0) >= 0)
                return 0;
        r = library_init(c, g);
        if (r >= 0 && h->v2)
                r = enable_controllers(c, h, h == &g->io ? "io" : io[0] ? "cpu io" : "cpu");
        if (r < 0)
                return r;
        made = cgroup_new_cgroup(group + 1);
        if (!made)
                return -ENOMEM;
        if (h == &g->io)
                r = set_io_weight(made, h, cpu_weight);
        else {
                /* v1 shows cpu.idle in its root, v2 in groups only; it came with 5.15. */
                r = set_cpu_weight(made, h, cpu_weight, h->v2 || group_has(c, h, "", "cpu.idle"));
                if (r >= 0 && io[0])
                        r = set_io_weight(made, &g->io, io_weight);
        }
        if (r >= 0)
                r = convert(cgroup_create_cgroup(made, /* ignore_ownership= */ 1));
        if (r < 0)
                (void)unlinkat(c->root_fd, path, AT_REMOVEDIR);
        return r;
}

static int move_process(ActuatorContext *c, const Hierarchy *h, const char *group, pid_t pid) {
        char path[1024], text[16];
        int r;

        (void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", h->mount,
                       streq(group, "/") ? "" : group);
        (void)snprintf(text, sizeof(text), "%d", pid);
        r = io_write_at(c->root_fd, path, text);
        if (r == -ENOENT)
                return -EOWNERDEAD; /* the group is gone: not to be taken for the process */
        return r;
}

static bool is_ours(const ActuatorContext *c, const char *group) {
        size_t n = strlen(c->cgroup_name);

        return group[0] == '/' && strncmp(group + 1, c->cgroup_name, n) == 0 &&
               strncmp(group + 1 + n, "-low-", 5) == 0 && !strchr(group + n + 6, '/');
}

static int apply_part(ActuatorContext *c, Cgroups *g, const Hierarchy *h, const char *present,
                      const char *wanted, pid_t pid) {
        int r = 0;

        if (streq(present, wanted))
                return 0;
        if (is_ours(c, wanted))
                r = make_group(c, g, h, wanted);
        return r < 0 ? r : move_process(c, h, wanted, pid);
}

static int cgroup_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        char text[ACTUATOR_VALUE_MAX] = "";
        Cgroups *g = c->cgroup;
        Place present, wanted;
        int r;

        r = cgroup_read(c, t, text);
        if (r >= 0)
                r = place_parse(text, &present);
        if (r >= 0)
                r = place_parse(value, &wanted);
        if (r < 0)
                return r;
        r = apply_part(c, g, &g->cpu, present.cpu, wanted.cpu, t->pid);
        if (r >= 0 && wanted.io[0] && g->io.controller) {
                r = apply_part(c, g, &g->io, present.io, wanted.io, t->pid);
                if (r < 0)
                        (void)apply_part(c, g, &g->cpu, wanted.cpu, present.cpu, t->pid);
        }
        return r;
}

/* --- cleaning up ----------------------------------------------------------------------------- */

/* Whoever is left inherited the group from a process that has ended; the root is where that came
 * from. Reading starts anew after each batch, for those that are born meanwhile. */
static void empty_group(ActuatorContext *c, const Hierarchy *h, const char *group) {
        char path[1024];

        (void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", h->mount, group);
        for (int pass = 0; pass < 16; pass++) {
                _cleanup_free_
                char *text = NULL;
                char *save = NULL;
                size_t size;

                if (io_read_all_at(c->root_fd, path, MOUNTINFO_MAX, &text, &size) < 0 || size == 0)
                        return;
                for (char *line = strtok_r(text, "\n", &save); line;
                     line = strtok_r(NULL, "\n", &save)) {
                        uint64_t pid;

                        if (parse_u64(line, 1, INT32_MAX, &pid) >= 0)
                                (void)move_process(c, h, "/", (pid_t)pid);
                }
        }
}

/* One by one: a controller that somebody else enabled below meanwhile is busy and stays. */
static void undo_note(ActuatorContext *c, const Hierarchy *h, const char *note) {
        char path[512], words[64], *save = NULL;

        (void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", h->mount);
        (void)snprintf(words, sizeof(words), "%s", note);
        for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
                (void)io_write_at(c->root_fd, path, word);
}

/* Returns whether all groups of ours are gone. */
static bool remove_groups(ActuatorContext *c, const Hierarchy *h) {
        _cleanup_closedir_ DIR *dir = NULL;
        bool all = true;

        if (io_open_dir_at(c->root_fd, h->mount, &dir) < 0)
                return false;
        for (struct dirent *d; (d = readdir(dir));) {
                char group[sizeof(d->d_name) + 1];

                (void)snprintf(group, sizeof(group), "/%s", d->d_name);
                if (!is_ours(c, group))
                        continue;
                empty_group(c, h, group);
                all = unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR) >= 0 && all;
        }
        return all;
}

static void clean_hierarchy(ActuatorContext *c, const Hierarchy *h) {
        char path[1024], note[64];
        _cleanup_close_
        int fd = -EBADF;

        if (!remove_groups(c, h))
                return;
        (void)snprintf(path, sizeof(path), "%s/%s", h->mount, c->cgroup_name);
        fd = openat(c->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return;
        /* The note goes with the folder, last. */
        (void)read_note(fd, note, sizeof(note));
        undo_note(c, h, note);
        (void)unlinkat(c->root_fd, path, AT_REMOVEDIR);
}

static void cgroup_cleanup(ActuatorContext *c) {
        const Cgroups *g = c->cgroup;

        if (!g)
                return;
        clean_hierarchy(c, &g->cpu);
        if (g->io.controller && !g->one_hierarchy)
                clean_hierarchy(c, &g->io);
}

const Actuator actuator_cgroup = {
        .name = "cgroup",
        .what = "CPU and I/O weight, by membership in a cgroup of our own",
        .level = ACTUATOR_PROCESS,
        .fields = TREAT_CPU_WEIGHT | TREAT_IO_WEIGHT,
        .probe = cgroup_probe,
        .read = cgroup_read,
        .plan = cgroup_plan,
        .apply = cgroup_apply,
        .cleanup = cgroup_cleanup,
};
