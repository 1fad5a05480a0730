/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/actuators/actuator.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sys/syscall.h>

#include "util/io.h"
#include "util/macro.h"

#define LEVEL_MASK 7
#define HINT_SHIFT 3 /* since 6.5: command duration limits between class and level */
#define HINT_MAX 1023
#define LEVEL_NORMAL 4

static const char *const class_names[] = {
        [IOPRIO_CLASS_NONE] = "none",
        [IOPRIO_CLASS_RT] = "rt",
        [IOPRIO_CLASS_BE] = "be",
        [IOPRIO_CLASS_IDLE] = "idle",
};

typedef struct IoPriority {
        int class;
        unsigned level, hint;
} IoPriority;

static void priority_format(const IoPriority *p, char value[ACTUATOR_VALUE_MAX]) {
        if (p->hint)
                (void)snprintf(value, ACTUATOR_VALUE_MAX, "%s:%u/%u", class_names[p->class],
                               p->level, p->hint);
        else
                (void)snprintf(value, ACTUATOR_VALUE_MAX, "%s:%u", class_names[p->class], p->level);
}

static int priority_parse(const char *value, IoPriority *ret) {
        char name[8], level[8], hint[8] = "0", again[ACTUATOR_VALUE_MAX];
        IoPriority p = {.class = -1};
        uint64_t v;

        if (sscanf(value, "%7[a-z]:%7[0-9]/%7[0-9]", name, level, hint) < 2)
                return -EINVAL;
        for (int i = 0; i < (int)ELEMENTSOF(class_names); i++)
                if (streq(class_names[i], name))
                        p.class = i;
        if (p.class < 0 || parse_u64(level, 0, LEVEL_MASK, &v) < 0)
                return -EINVAL;
        p.level = (unsigned)v;
        if (parse_u64(hint, 0, HINT_MAX, &v) < 0)
                return -EINVAL;
        p.hint = (unsigned)v;
        priority_format(&p, again);
        if (!streq(again, value))
                return -EINVAL;
        *ret = p;
        return 0;
}

/* Only these two schedulers look at priorities. */
static int ioprio_probe(ActuatorContext *c, Error *e) {
        _cleanup_closedir_ DIR *dir = NULL;
        bool found = false;
        int r;

        r = io_open_dir_at(c->root_fd, "sys/block", &dir);
        if (r < 0)
                return error_set(e, -EOPNOTSUPP, "/sys/block: %s", strerror(-r));
        for (struct dirent *d; !found && (d = readdir(dir));) {
                char path[512], text[256];

                if (d->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "%s/queue/scheduler", d->d_name);
                found = io_read_at(dirfd(dir), path, text, sizeof(text)) > 0 &&
                        (strstr(text, "[bfq]") || strstr(text, "[mq-deadline]"));
        }
        return found ? 0
                     : error_set(e, -ENOTTY, "no disk uses the bfq or mq-deadline I/O scheduler");
}

static int ioprio_read(ActuatorContext *c, const ActuatorTarget *t,
                       char value[ACTUATOR_VALUE_MAX]) {
        long raw = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, t->tid);
        IoPriority p;

        if (raw < 0)
                return -errno;
        p.class = (int)(raw >> IOPRIO_CLASS_SHIFT) & 7;
        p.level = (unsigned)raw & LEVEL_MASK;
        p.hint = (unsigned)(raw >> HINT_SHIFT) & HINT_MAX;
        if (p.class >= (int)ELEMENTSOF(class_names))
                return -EOPNOTSUPP;
        /* Kernels differ in the level that "none" carries, and none takes one back. */
        if (p.class == IOPRIO_CLASS_NONE)
                p.level = p.hint = 0;
        priority_format(&p, value);
        return 0;
}

static int ioprio_plan(ActuatorContext *c, const Treatment *t, const char *old,
                       char ret_new[ACTUATOR_VALUE_MAX]) {
        IoPriority p;

        if (!(t->set & TREAT_IOPRIO) || priority_parse(old, &p) < 0)
                return 0;
        if (p.class == IOPRIO_CLASS_RT || p.class == IOPRIO_CLASS_IDLE)
                return 0;
        if (t->ioprio_class == IOPRIO_CLASS_IDLE)
                p.level = LEVEL_MASK;
        else if (t->ioprio_class == IOPRIO_CLASS_BE &&
                 t->ioprio_level > (p.class == IOPRIO_CLASS_NONE ? LEVEL_NORMAL : p.level))
                p.level = MIN(t->ioprio_level, LEVEL_MASK);
        else
                return 0;
        p.class = t->ioprio_class;
        priority_format(&p, ret_new);
        return 1;
}

static int ioprio_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        IoPriority p;
        int r;

        r = priority_parse(value, &p);
        if (r < 0)
                return r;
        if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, t->tid,
                    p.class << IOPRIO_CLASS_SHIFT | (int)(p.hint << HINT_SHIFT) | (int)p.level) < 0)
                return -errno;
        return 0;
}

const Actuator actuator_ioprio = {
        .name = "ioprio",
        .what = "I/O priority of every thread",
        .level = ACTUATOR_THREAD,
        .fields = TREAT_IOPRIO,
        .probe = ioprio_probe,
        .read = ioprio_read,
        .plan = ioprio_plan,
        .apply = ioprio_apply,
};
