/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/actuators/actuator.h"

#include "util/macro.h"

/* In the order in which they are applied: the thread's own attributes first, because a thread that
 * is born while we are at it inherits those. */
const Actuator *const actuator_all[] = {
        &actuator_sched,
        &actuator_ioprio,
        &actuator_affinity,
        &actuator_autogroup,
        &actuator_cgroup,
        &actuator_unit_cpu,
        &actuator_unit_io,
        &actuator_scope,
        &actuator_knob,
        &actuator_filter,
        NULL,
};

_Static_assert(ELEMENTSOF(actuator_all) == ACTUATOR_COUNT + 1, "ACTUATOR_COUNT");

const Actuator *actuator_find(const char *name) {
        for (size_t i = 0; actuator_all[i]; i++)
                if (streq(actuator_all[i]->name, name))
                        return actuator_all[i];
        return NULL;
}
