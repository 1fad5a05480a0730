/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One knob of the kernel behind a uniform face: probe, read, plan, apply. Values are canonical
 * text, so that compare-and-restore is a string comparison and the ledger needs no knowledge of any
 * knob: revert = read, compare with what we wrote, apply the old text.
 */

#include <sys/types.h>

#include "policy/policy.h"
#include "util/error.h"

#define ACTUATOR_VALUE_MAX 512

typedef struct Units Units;

typedef enum ActuatorLevel {
        ACTUATOR_THREAD,
        ACTUATOR_PROCESS,
        ACTUATOR_UNIT,   /* a unit of systemd, by its cgroup in target.path */
        ACTUATOR_MACHINE /* a file, in target.path */
} ActuatorLevel;

typedef struct ActuatorContext {
        int root_fd;             /* proc/ and sys/ below it */
        uint32_t default_slice;  /* ns, what sched_getattr gives a task without a slice of its own;
                                    0: not reported */
        const char *cgroup_name; /* our own subtree, "aikmd"; tests use another */
        void *cgroup;            /* state of the cgroup actuator, from malloc(3) */
        Units *units;            /* the service managers, owned by the executor */
} ActuatorContext;

typedef struct ActuatorTarget {
        pid_t pid;
        pid_t tid;        /* ACTUATOR_THREAD */
        const char *path; /* ACTUATOR_MACHINE: below the root; ACTUATOR_UNIT: cgroup,
                             "/system.slice/a.service" */
} ActuatorTarget;

typedef struct Actuator {
        const char *name;
        const char *what; /* for status */
        ActuatorLevel level;
        uint32_t fields; /* TreatmentField bits that it serves */

        /* 0: works; -EOPNOTSUPP: not here; -ENOTTY: there, but without effect (inert). *e says why.
         */
        int (*probe)(ActuatorContext *c, Error *e);
        /* Present value as text. 0, -ESRCH (gone) or -errno. */
        int (*read)(ActuatorContext *c, const ActuatorTarget *t, char value[ACTUATOR_VALUE_MAX]);
        /* What old becomes under a treatment; never raises a priority. 1: ret_new set; 0: nothing
         * to change. NULL for ACTUATOR_MACHINE. */
        int (*plan)(ActuatorContext *c, const Treatment *t, const char *old,
                    char ret_new[ACTUATOR_VALUE_MAX]);
        /* Sets it. 0, -ESRCH or -errno. */
        int (*apply)(ActuatorContext *c, const ActuatorTarget *t, const char *value);
        /* After the last entry was put back: remove what apply created. May be NULL. */
        void (*cleanup)(ActuatorContext *c);
        /* For a value that several processes share (an autogroup): another process through which
         * the object named in value is reached, 0 where there is none. NULL: values are not shared.
         */
        pid_t (*stand_in)(ActuatorContext *c, const char *value);
        /* Somebody else has set another value since we wrote this one: remove what ours left on
         * disk. May be NULL. */
        void (*disown)(ActuatorContext *c, const ActuatorTarget *t, const char *value);
        /* Whether value is what a put back of old leaves that was cut short in between, as by
         * SIGKILL: ours still. May be NULL: there is no such thing. */
        bool (*is_half_way)(const char *value, const char *old);
        /* What it does lasts until the process ends and cannot be put back: the ledger says so. */
        bool for_good;
} Actuator;

extern const Actuator actuator_sched; /* policy, nice, slice (ns) of each thread: "other nice=0
                                         slice=0 reset=0" */
extern const Actuator
        actuator_autogroup;            /* nice of the session's autogroup: "/autogroup-17 nice 0" */
extern const Actuator actuator_ioprio; /* of each thread: "be:4" */
extern const Actuator actuator_affinity; /* CPUs of each thread: "0-1" */
extern const Actuator actuator_cgroup; /* membership in a group of ours with cpu and io weight: the
                                          path in cpu's hierarchy, and where the weight for I/O is
                                          in one of its own the path there: "/path // /path" */
extern const Actuator actuator_unit_cpu; /* CPUWeight of a systemd unit, for the time being: "100",
                                            "idle", "unset"; with " set-property" behind it where a
                                            runtime drop-in holds it */
extern const Actuator actuator_unit_io;  /* IOWeight of one, likewise */
extern const Actuator actuator_scope; /* the process in a transient scope in aikm.slice, for good:
                                         its cgroup */
extern const Actuator actuator_knob;  /* a file of the tunable table */
extern const Actuator
        actuator_filter; /* a folder with a traffic filter in it: "attached", "none" */

#define ACTUATOR_COUNT 10

#define FILTER_VALUE_ATTACHED "attached"
#define FILTER_VALUE_NONE "none"

/* All of them, NULL at the end. */
extern const Actuator *const actuator_all[];
const Actuator *actuator_find(const char *name);
