/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The drop-ins below /run in which a service manager keeps what SetUnitProperties set until the
 * next boot: one file per property, in system.control (user.control) or, for transient units, in
 * transient.
 */

#include "daemon/unit-name.h"

/* Finds the file of property ("CPUWeight") whose one setting is value, as the manager writes it
 * ("100", "idle", "" for unset). Returns 1 found, 0 not, or -errno. */
int unit_drop_in_find(int root_fd, const UnitName *unit, const char *property, const char *value);

/* Removes it, and its folder where that is empty then. 1 removed, 0 there was none, or -errno. */
int unit_drop_in_remove(int root_fd, const UnitName *unit, const char *property, const char *value);
