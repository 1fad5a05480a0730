/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/actuators/actuator.h"

#include <errno.h>
#include <fcntl.h>

#include "util/io.h"
#include "util/macro.h"

static int knob_probe(ActuatorContext *c, Error *e) {
        if (faccessat(c->root_fd, "proc/sys", X_OK, AT_EACCESS) < 0)
                return error_set(e, -EOPNOTSUPP, "/proc/sys: %m");
        return 0;
}

static int knob_read(ActuatorContext *c, const ActuatorTarget *t, char value[ACTUATOR_VALUE_MAX]) {
        char *open, *end;
        ssize_t n;

        n = io_read_at(c->root_fd, t->path, value, ACTUATOR_VALUE_MAX);
        if (n < 0)
                return n == -ENOENT || n == -ENODEV ? -ESRCH : (int)n;
        while (n > 0 && strchr(" \t\n", value[n - 1]))
                value[--n] = '\0';
        /* "always [madvise] never": the choice is the word in brackets. */
        open = strchr(value, '[');
        end = open ? strchr(open, ']') : NULL;
        if (end && (open == value || open[-1] == ' ') && (end[1] == '\0' || end[1] == ' ')) {
                *end = '\0';
                memmove(value, open + 1, (size_t)(end - open));
        }
        return 0;
}

static int knob_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        int r = io_write_at(c->root_fd, t->path, value);

        return r == -ENOENT || r == -ENODEV ? -ESRCH : r;
}

const Actuator actuator_knob = {
        .name = "knob",
        .what = "files of /proc/sys and /sys that the table of tunables names",
        .level = ACTUATOR_MACHINE,
        .probe = knob_probe,
        .read = knob_read,
        .apply = knob_apply,
};
