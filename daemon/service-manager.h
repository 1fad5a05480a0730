/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One conversation with a service manager, PID 1's or a user's, on its private socket, peer to
 * peer. Short: a manager sends all its signals to whoever is connected there, asked or not, and
 * keeps them for him in its own memory. So one connects, asks, and leaves.
 *
 * A user's manager is a program of that user, who may have put another in its place: the whole
 * conversation has a deadline and a limit of bytes.
 */

#include "daemon/unit-name.h"
#include "util/error.h"
#include "util/time.h"

typedef struct ServiceManager ServiceManager;

/*
 * root_fd: run/systemd/private or run/user/UID/systemd/private is below it. The conversation ends
 * after timeout. 0; -ENOENT or -ECONNREFUSED where there is none; -EPERM where the socket is
 * another user's; -ETIMEDOUT or -errno.
 */
int service_manager_connect(int root_fd, uid_t owner, usec_t timeout, ServiceManager **ret);
/* From now on it may take so long. */
void service_manager_extend(ServiceManager *m, usec_t timeout);
ServiceManager *service_manager_free(ServiceManager *m);
DEFINE_CLEANUP(ServiceManager *, service_manager_free);

/* 0 where the manager knows the unit, running or not; -ESRCH where not. These all return
 * -ETIMEDOUT, -EMSGSIZE or -EPROTO where it does not keep to the rules, -errno else. */
int service_manager_check_unit(ServiceManager *m, const UnitName *unit);
int service_manager_get_u64(ServiceManager *m, const UnitName *unit, const char *property,
                            uint64_t *ret);
/* Until the next boot, as `systemctl set-property --runtime`. */
int service_manager_set_u64(ServiceManager *m, const UnitName *unit, const char *property,
                            uint64_t value);
/* Returns after the job has ended: 0, -EEXIST where the name is taken, -ECANCELED where the job
 * failed. */
int service_manager_start_scope(ServiceManager *m, const char *name, const char *slice,
                                const char *description, pid_t pid, Error *e);
