/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The service managers as aikmd needs them, PID 1's and those of users: the weights of a unit, read
 * and set for the time being, and transient scopes. Over each manager's private socket
 * (/run/systemd/private, /run/user/UID/systemd/private), so that it works without a message bus,
 * as after a crash. Calls wait for the answer, for a second at most; a manager that did not answer
 * is not asked again for a while. Nothing here writes a cgroup.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"
#include "util/macro.h"
#include "util/time.h"

/* A property of a unit. */
typedef enum UnitWeight { UNIT_CPU_WEIGHT, UNIT_IO_WEIGHT, _UNIT_WEIGHT_COUNT } UnitWeight;

#define UNIT_WEIGHT_UNSET UINT64_MAX
#define UNIT_WEIGHT_IDLE 0 /* CPUWeight=idle */

typedef struct Units Units;

/* root_fd (borrowed): run/ is looked for below it. Connects when first asked. 0 or -ENOMEM. */
int units_new(int root_fd, Units **ret);
Units *units_free(Units *u);
DEFINE_CLEANUP(Units *, units_free);

/* How long a manager may take to answer (four times as long to carry something out), and how long a
 * manager is left alone that took longer or answered nonsense. For tests: the default is 1 s, 500
 * ms and 30 s. */
typedef struct UnitsPatience {
        usec_t machine, user, rest;
} UnitsPatience;

void units_set_patience(Units *u, const UnitsPatience *patience);

/* Those who did not answer are asked again at once, where something must be put back. NULL:
 * nothing.
 */
void units_end_rest(Units *u);

/* Whether systemd manages the machine and weights in cgroup v2 count: 0, or -EOPNOTSUPP with *e
 * set.
 */
int units_probe(Units *u, Error *e);

typedef struct UnitSetting {
        uint64_t value; /* 1..10000, UNIT_WEIGHT_IDLE, UNIT_WEIGHT_UNSET */
        /* It stands in a drop-in that `systemctl set-property --runtime` or this file made, not in
         * the unit's own files. */
        bool by_set_property;
} UnitSetting;

/*
 * cgroup: a unit's, as /proc/PID/cgroup has it ("/system.slice/hogs.service"); its last component
 * names the unit, and below a user@UID.service the user's manager owns it. Slices, too. A service
 * that is not running counts as long as the manager knows it.
 * Returns 0, -ESRCH where the manager knows no such unit or is gone, -EINVAL where cgroup is no
 * unit's, -ETIMEDOUT, or -errno.
 */
int units_get_weight(Units *u, const char *cgroup, UnitWeight weight, UnitSetting *ret);

/*
 * Sets it as `systemctl set-property --runtime` does. Without by_set_property the drop-in that the
 * manager wrote for it is removed again, or it would override what the administrator writes into
 * the unit's files later; systemctl then says that drop-ins changed on disk until the next
 * daemon-reload, which is not asked for here. Returns as units_get_weight().
 */
int units_set_weight(Units *u, const char *cgroup, UnitWeight weight, const UnitSetting *setting);

/* Removes the runtime drop-in where it still holds this value and nothing else: a value set for
 * good in /etc lies over it, and it must not come back to life when that goes. 0, 1 removed,
 * -errno. */
int units_remove_drop_in(Units *u, const char *cgroup, UnitWeight weight, uint64_t value);

/* Moves pid into a new transient scope "aikm-PID.scope" in aikm.slice of the machine's manager and
 * waits until it is there. Returns 0, -ESRCH, -ETIMEDOUT or -errno with *e set. */
int units_start_scope(Units *u, pid_t pid, const char *description, Error *e);
