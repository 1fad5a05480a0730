/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A process taken out of its unit into a scope of its own in aikm.slice. Its session or service no
 * longer counts it as its own: logging out or stopping the service may leave it running. There is
 * no way back into a unit, so only a policy that says so asks for this.
 */

#include <errno.h>

#include "daemon/actuators/actuator.h"
#include "daemon/unit-name.h"
#include "daemon/units.h"
#include "util/io.h"
#include "util/macro.h"

/* Stands for each scope in it: which one is known when the process is there. */
#define SLICE "/aikm.slice"

static int scope_probe(ActuatorContext *c, Error *e) {
        return c->units ? units_probe(c->units, e)
                        : error_set(e, -EOPNOTSUPP, "no service manager");
}

static int scope_read(ActuatorContext *c, const ActuatorTarget *t, char value[ACTUATOR_VALUE_MAX]) {
        char path[64], text[8192];
        const char *found;
        size_t length;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "proc/%d/cgroup", t->pid);
        n = io_read_at(c->root_fd, path, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int)n;
        found = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        found = found ? strstr(found, "0::") + 3 : NULL;
        if (!found)
                return -ENOTTY;
        length = strcspn(found, "\n");
        if (length >= ACTUATOR_VALUE_MAX)
                return -ENAMETOOLONG;
        if (strncmp(found, SLICE "/aikm-", strlen(SLICE "/aikm-")) == 0)
                length = strlen(SLICE);
        memcpy(value, found, length);
        value[length] = '\0';
        return 0;
}

/* What a unit delegates (containers, whose managers look after their own) stays where it is: there
 * the process is in a group below a unit. */
static int scope_plan(ActuatorContext *c, const Treatment *t, const char *old,
                      char ret_new[ACTUATOR_VALUE_MAX]) {
        UnitName unit;

        if (!(t->set & TREAT_SCOPE) || streq(old, SLICE) || unit_name_from_cgroup(old, &unit) < 0 ||
            streq(unit.name, "init.scope"))
                return 0;
        (void)snprintf(ret_new, ACTUATOR_VALUE_MAX, "%s", SLICE);
        return 1;
}

static int scope_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        char present[ACTUATOR_VALUE_MAX], description[64];
        int r;

        if (!streq(value, SLICE))
                return -EOPNOTSUPP; /* no way back */
        r = scope_read(c, t, present);
        if (r < 0 || streq(present, value))
                return r;
        (void)snprintf(description, sizeof(description), "Process %d, lowered by aikmd", t->pid);
        return units_start_scope(c->units, t->pid, description, NULL);
}

const Actuator actuator_scope = {
        .name = "scope",
        .what = "a scope in aikm.slice, for as long as the process lives",
        .level = ACTUATOR_PROCESS,
        .fields = TREAT_SCOPE,
        .probe = scope_probe,
        .read = scope_read,
        .plan = scope_plan,
        .apply = scope_apply,
        .for_good = true,
};
