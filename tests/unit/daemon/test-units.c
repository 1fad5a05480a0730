/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Units of service managers, and the actuators over them, against a manager of the test's own in a
 * temporary root. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/actuators/actuator.h"
#include "daemon/units.h"
#include "fake-service-manager.h"
#include "made-up-root.h"
#include "tests/unit/folder.h"
#include "util/io.h"

#define HOGS "/system.slice/hogs.service"
#define STRANGER 4242 /* a user who is not us */

typedef struct Fixture {
        char root[64];
        int root_fd;
        Units *units;
        FakeManager manager;
        ActuatorContext context;
} Fixture;

/* What always answers gets time enough for the slowest machine; what never does, little. */
static const UnitsPatience patient = {
        .machine = 60 * USEC_PER_SEC, .user = 60 * USEC_PER_SEC, .rest = 3600 * USEC_PER_SEC};
static const UnitsPatience impatient = {
        .machine = 50 * USEC_PER_MSEC, .user = 50 * USEC_PER_MSEC, .rest = 3600 * USEC_PER_SEC};

/* --- the root -------------------------------------------------------------------------------- */

static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void)snprintf(f->root, sizeof(f->root), "/tmp/aikm-test-units-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        assert_int_equal(io_mkdir_p(root_path(f->root, "run/systemd/system"), 0755), 0);
        assert_int_equal(
                io_mkdir_p(root_path(f->root, "sys/fs/cgroup/system.slice/hogs.service"), 0755), 0);
        assert_int_equal(io_mkdir_p(root_path(f->root, "sys/block/vda/queue"), 0755), 0);
        root_write(root_path(f->root, "sys/fs/cgroup/cgroup.controllers"),
                   "cpuset cpu io memory pids\n");
        f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->root_fd >= 0);
        assert_int_equal(units_new(f->root_fd, &f->units), 0);
        units_set_patience(f->units, &patient);
        f->context = (ActuatorContext){.root_fd = f->root_fd, .units = f->units};
        fake_manager_start(&f->manager, root_path(f->root, "run/systemd"), "system.control");
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        fake_manager_done(&f->manager);
        units_free(f->units);
        close(f->root_fd);
        assert_int_equal(folder_remove(f->root), 0);
        free(f);
        return 0;
}

static const char *drop_in(const Fixture *f, const char *property) {
        return root_path(f->root, "run/systemd/system.control/hogs.service.d/50-%s.conf", property);
}

static int read_cpu(const Fixture *f, UnitSetting *ret) {
        return units_get_weight(f->units, HOGS, UNIT_CPU_WEIGHT, ret);
}

static void expect_weight(Fixture *f, const Actuator *a, const char *wanted) {
        char value[ACTUATOR_VALUE_MAX];

        assert_int_equal(a->read(&f->context, &(ActuatorTarget){.path = HOGS}, value), 0);
        assert_string_equal(value, wanted);
}

static int apply(Fixture *f, const Actuator *a, const char *value) {
        return a->apply(&f->context, &(ActuatorTarget){.path = HOGS}, value);
}

/* --- weights --------------------------------------------------------------------------------- */

static void there_and_back(void **state) {
        Fixture *f = *state;

        expect_weight(f, &actuator_unit_cpu, "unset");
        assert_int_equal(apply(f, &actuator_unit_cpu, "20 set-property"), 0);
        assert_int_equal(f->manager.state->cpu_weight, 20);
        assert_true(f->manager.state->runtime);
        assert_true(root_exists(drop_in(f, "CPUWeight")));
        expect_weight(f, &actuator_unit_cpu, "20 set-property");
        expect_weight(f, &actuator_unit_io, "unset");
        assert_int_equal(apply(f, &actuator_unit_io, "30 set-property"), 0);
        expect_weight(f, &actuator_unit_io, "30 set-property");
        assert_int_equal(apply(f, &actuator_unit_cpu, "unset"), 0);
        assert_int_equal(f->manager.state->cpu_weight, UINT64_MAX);
        assert_false(root_exists(drop_in(f, "CPUWeight")));
        assert_true(root_exists(drop_in(f, "IOWeight")));
        expect_weight(f, &actuator_unit_cpu, "unset");
        assert_int_equal(apply(f, &actuator_unit_io, "50"), 0);
        expect_weight(f, &actuator_unit_io, "50");
        assert_false(root_exists(root_path(f->root, "run/systemd/system.control/hogs.service.d")));
        assert_int_equal(apply(f, &actuator_unit_cpu, "idle set-property"), 0);
        assert_int_equal(f->manager.state->cpu_weight, 0);
        expect_weight(f, &actuator_unit_cpu, "idle set-property");
        assert_int_equal(f->manager.state->n_sets, 5);
}

/* Another value in force than the drop-in's: it is not set by that. */
static void drop_in_that_is_overruled(void **state) {
        Fixture *f = *state;
        ActuatorTarget t = {.path = HOGS};

        assert_int_equal(apply(f, &actuator_unit_cpu, "20 set-property"), 0);
        f->manager.state->cpu_weight = 80;
        expect_weight(f, &actuator_unit_cpu, "80");
        actuator_unit_cpu.disown(&f->context, &t, "30 set-property");
        actuator_unit_cpu.disown(&f->context, &t, "20");
        actuator_unit_cpu.disown(&f->context, &t, "nonsense");
        actuator_unit_io.disown(&f->context, &t, "20 set-property");
        assert_true(root_exists(drop_in(f, "CPUWeight")));
        actuator_unit_cpu.disown(&f->context, &t, "20 set-property");
        assert_false(root_exists(drop_in(f, "CPUWeight")));
        assert_int_equal(f->manager.state->n_sets, 1);
        expect_weight(f, &actuator_unit_cpu, "80");
}

static void written_past_the_manager(void **state) {
        Fixture *f = *state;
        const char *path = root_path(f->root, "sys/fs/cgroup" HOGS "/cpu.weight");

        root_write(path, "50\n");
        assert_int_equal(apply(f, &actuator_unit_cpu, "20 set-property"), -EBUSY);
        assert_int_equal(f->manager.state->n_sets, 0);
        assert_int_equal(apply(f, &actuator_unit_io, "20 set-property"), 0);
        f->manager.state->cpu_weight = 50;
        assert_int_equal(apply(f, &actuator_unit_cpu, "20 set-property"), 0);
        /* Putting back never fails for it. */
        assert_int_equal(apply(f, &actuator_unit_cpu, "unset"), 0);
        root_write(path, "100\n");
        assert_int_equal(apply(f, &actuator_unit_cpu, "20 set-property"), 0);
}

/* The manager has another value, and the kernel still ours: it is told again. */
static void disown_reaches_the_kernel(void **state) {
        Fixture *f = *state;
        FakeState *s = f->manager.state;
        ActuatorTarget t = {.path = HOGS};
        const char *weight = root_path(f->root, "sys/fs/cgroup" HOGS "/cpu.weight");

        assert_int_equal(apply(f, &actuator_unit_cpu, "20 set-property"), 0);
        root_write(weight, "20\n");
        s->cpu_weight = 80;
        actuator_unit_cpu.disown(&f->context, &t, "20 set-property");
        assert_int_equal(s->n_sets, 2);
        assert_int_equal(s->cpu_weight, 80);
        assert_false(root_exists(drop_in(f, "CPUWeight")));
        root_write(weight, "80\n");
        actuator_unit_cpu.disown(&f->context, &t, "20 set-property");
        assert_int_equal(s->n_sets, 2);
        /* Ours is idle. */
        root_write(root_path(f->root, "sys/fs/cgroup" HOGS "/cpu.idle"), "1\n");
        actuator_unit_cpu.disown(&f->context, &t, "80 set-property");
        assert_int_equal(s->n_sets, 2);
        actuator_unit_cpu.disown(&f->context, &t, "idle set-property");
        assert_int_equal(s->n_sets, 3);
        root_write(root_path(f->root, "sys/fs/cgroup" HOGS "/io.weight"), "default 30\n8:0 40\n");
        actuator_unit_io.disown(&f->context, &t, "30 set-property");
        assert_int_equal(s->n_sets, 4);
        assert_true(s->io_weight == UINT64_MAX);
}

static void plans(void **state) {
        static const struct {
                const char *old;
                uint32_t wanted;
                const char *cpu, *io; /* NULL: nothing to do */
        } table[] = {
                {"unset", 20, "20 set-property", "20 set-property"},
                {"unset", 99, "99 set-property", "99 set-property"},
                {"unset", 100, NULL, NULL},
                {"unset", 0, "idle set-property", NULL},
                {"unset set-property", 20, "20 set-property", "20 set-property"},
                {"200 set-property", 100, "100 set-property", "100 set-property"},
                {"200", 100, "100 set-property", "100 set-property"},
                {"20", 20, NULL, NULL},
                {"10", 20, NULL, NULL},
                {"1", 0, "idle set-property", NULL},
                {"idle", 0, NULL, NULL},
                {"idle", 1, NULL, NULL},
                {"idle set-property", 5, NULL, NULL},
                {"", 20, NULL, NULL},
                {"100 ", 20, NULL, NULL},
                {"100 set-property ", 20, NULL, NULL},
                {"0", 0, NULL, NULL},
                {"007", 1, NULL, NULL},
                {"10001", 20, NULL, NULL},
                {"123456789012345678901234567890", 20, NULL, NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                for (int io = 0; io <= 1; io++) {
                        const Actuator *a = io ? &actuator_unit_io : &actuator_unit_cpu;
                        const char *wanted = io ? table[i].io : table[i].cpu;
                        Treatment t = {.set = a->fields,
                                       .unit_cpu_weight = table[i].wanted,
                                       .unit_io_weight = table[i].wanted};
                        char new[ACTUATOR_VALUE_MAX] = "";

                        assert_int_equal(a->plan(NULL, &t, table[i].old, new), wanted ? 1 : 0);
                        assert_string_equal(new, wanted ? wanted : "");
                        t.set = TREAT_NICE;
                        assert_int_equal(a->plan(NULL, &t, table[i].old, new), 0);
                }
}

static void wrong_values(void **state) {
        static const char *const values[] = {
                "",
                "0",
                "10001",
                "-1",
                "20 set",
                "20set-property",
                " set-property",
                "idle ",
                "UNSET",
                "20 set-property x",
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                assert_int_equal(apply(f, &actuator_unit_cpu, values[i]), -EINVAL);
        assert_int_equal(apply(f, &actuator_unit_io, "idle"), -EINVAL);
        assert_int_equal(f->manager.state->n_connections, 0);
}

/* --- managers that misbehave ----------------------------------------------------------------- */

static void unknown_units(void **state) {
        Fixture *f = *state;
        UnitSetting s = {.value = 7};

        assert_int_equal(
                units_get_weight(f->units, "/system.slice/other.service", UNIT_CPU_WEIGHT, &s),
                -ESRCH);
        assert_int_equal(
                units_set_weight(f->units, "/system.slice/other.service", UNIT_CPU_WEIGHT, &s),
                -ESRCH);
        assert_int_equal(units_get_weight(f->units, HOGS "/x.service", UNIT_CPU_WEIGHT, &s),
                         -EINVAL);
        assert_int_equal(s.value, 7);
        assert_int_equal(f->manager.state->n_sets, 0);
        assert_int_equal(read_cpu(f, &s), 0); /* and is not taken for a fault of the manager */
}

static void misbehaving(void **state) {
        static const struct {
                FakeMode mode;
                int result; /* 0: any error */
        } table[] = {
                {FAKE_SILENT, -ETIMEDOUT},
                {FAKE_DUMB, -ETIMEDOUT},
                {FAKE_GARBAGE, 0},
                {FAKE_REJECTS, 0},
                {FAKE_HANGS_UP, -ECONNRESET},
                {FAKE_WRONG_TYPE, -EPROTO},
                {FAKE_OUT_OF_RANGE, -EPROTO},
                {FAKE_HUGE, -EMSGSIZE},
                {FAKE_CHATTER, -EMSGSIZE},
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                bool waits = table[i].result == -ETIMEDOUT || table[i].result == 0;
                UnitSetting s = {.value = 7};
                unsigned n;
                int r;

                fake_manager_kill(&f->manager);
                f->manager.state->mode = table[i].mode;
                fake_manager_restart(&f->manager);
                units_free(f->units);
                f->units = NULL;
                assert_int_equal(units_new(f->root_fd, &f->units), 0);
                units_set_patience(f->units, waits ? &impatient : &patient);
                r = read_cpu(f, &s);
                if (table[i].result ? r != table[i].result : r >= 0)
                        fail_msg("mode %d: %d", table[i].mode, r);
                assert_int_equal(s.value, 7);
                /* It is not asked again for a while, and then it is. */
                f->manager.state->mode = FAKE_GOOD;
                n = f->manager.state->n_connections;
                assert_int_equal(read_cpu(f, &s), -ETIMEDOUT);
                assert_int_equal(apply(f, &actuator_scope, "/"), -EOPNOTSUPP);
                assert_int_equal(f->manager.state->n_connections, n);
        }
}

static void asked_again_after_a_rest(void **state) {
        Fixture *f = *state;
        UnitsPatience p = impatient;
        UnitSetting s;

        p.rest = 0;
        units_set_patience(f->units, &p);
        f->manager.state->mode = FAKE_DUMB;
        assert_int_equal(read_cpu(f, &s), -ETIMEDOUT);
        fake_manager_kill(&f->manager);
        f->manager.state->mode = FAKE_GOOD;
        fake_manager_restart(&f->manager);
        p.machine = patient.machine;
        units_set_patience(f->units, &p);
        assert_int_equal(read_cpu(f, &s), 0);
        assert_true(s.value == UNIT_WEIGHT_UNSET && !s.by_set_property);
}

/* PID 1 that is away for a moment is not gone: what was lowered must still be put back. */
static void restarting(void **state) {
        Fixture *f = *state;
        UnitSetting s;

        assert_int_equal(apply(f, &actuator_unit_cpu, "20 set-property"), 0);
        fake_manager_kill(&f->manager);
        assert_int_equal(read_cpu(f, &s), -ECONNREFUSED);
        assert_int_equal(unlink(f->manager.socket), 0);
        assert_int_equal(read_cpu(f, &s), -ENOENT);
        fake_manager_restart(&f->manager);
        assert_int_equal(apply(f, &actuator_unit_cpu, "unset"), 0);
        expect_weight(f, &actuator_unit_cpu, "unset");
}

/* --- users' managers ------------------------------------------------------------------------- */

static void start_user(Fixture *f, uid_t uid, FakeManager *ret, char cgroup[256]) {
        char folder[256];

        (void)snprintf(folder, sizeof(folder), "%s",
                       root_path(f->root, "run/user/%u/systemd", uid));
        assert_int_equal(io_mkdir_p(folder, 0755), 0);
        fake_manager_start(ret, folder, "user.control");
        (void)snprintf(cgroup, 256, "/user.slice/user-%u.slice/user@%u.service/app.slice/%s", uid,
                       uid, ret->state->unit);
}

static void a_users_manager(void **state) {
        Fixture *f = *state;
        FakeManager user;
        UnitSetting s = {.value = 20, .by_set_property = true};
        char cgroup[256], folder[768];

        start_user(f, getuid(), &user, cgroup);
        assert_int_equal(units_set_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), 0);
        assert_int_equal(user.state->cpu_weight, 20);
        assert_true(f->manager.state->cpu_weight == UINT64_MAX);
        assert_int_equal(units_get_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), 0);
        assert_true(s.value == 20 && s.by_set_property);
        (void)snprintf(folder, sizeof(folder), "%s/hogs.service.d", user.control);
        assert_true(root_exists(folder));
        s = (UnitSetting){.value = 100};
        assert_int_equal(units_set_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), 0);
        assert_false(root_exists(folder));

        /* Silent about one, not about others. */
        units_set_patience(f->units, &impatient);
        user.state->mode = FAKE_DUMB;
        assert_int_equal(units_get_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), -ETIMEDOUT);
        units_set_patience(f->units, &patient);
        assert_int_equal(units_get_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), -ETIMEDOUT);
        assert_int_equal(read_cpu(f, &s), 0);
        fake_manager_done(&user);
}

static void a_users_manager_is_gone(void **state) {
        Fixture *f = *state;
        FakeManager user;
        UnitSetting s;
        char cgroup[256];

        start_user(f, getuid(), &user, cgroup);
        fake_manager_kill(&user);
        assert_int_equal(units_get_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), -ESRCH);
        assert_int_equal(unlink(user.socket), 0);
        assert_int_equal(units_get_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), -ESRCH);
        assert_int_equal(
                io_mkdir_p(root_path(f->root,
                                     "sys/fs/cgroup/user.slice/user-%u.slice/user@%u.service",
                                     getuid(), getuid()),
                           0755),
                0);
        assert_int_equal(units_get_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), -ENOENT);
        fake_manager_done(&user);
}

/* Somebody else's socket in the place of his: that would be asked in his name, with our rights. */
static void a_users_manager_is_another_ones(void **state) {
        Fixture *f = *state;
        UnitSetting s = {.value = 1};
        FakeManager user;
        char cgroup[256];
        unsigned n;

        start_user(f, STRANGER, &user, cgroup);
        assert_int_equal(units_set_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), -EPERM);
        assert_int_equal(user.state->n_sets, 0);
        fake_manager_kill(&user);
        assert_int_equal(unlink(user.socket), 0);
        assert_int_equal(symlink(f->manager.socket, user.socket), 0);
        units_free(f->units);
        f->units = NULL;
        assert_int_equal(units_new(f->root_fd, &f->units), 0);
        n = f->manager.state->n_connections;
        assert_int_equal(units_set_weight(f->units, cgroup, UNIT_CPU_WEIGHT, &s), -ELOOP);
        assert_int_equal(f->manager.state->n_connections, n);
        fake_manager_done(&user);
}

/* --- scopes ---------------------------------------------------------------------------------- */

static void make_process(const Fixture *f, pid_t pid, unsigned flags, const char *cgroup) {
        char text[512];

        assert_int_equal(io_mkdir_p(root_path(f->root, "proc/%d", pid), 0755), 0);
        (void)snprintf(text, sizeof(text),
                       "%d (a b) S 1 1 1 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0 0 0 0 0 0 0 0 0 "
                       "0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                       pid, flags);
        root_write(root_path(f->root, "proc/%d/stat", pid), text);
        (void)snprintf(text, sizeof(text), "4:cpu,cpuacct:/x\n0::%s\n", cgroup);
        root_write(root_path(f->root, "proc/%d/cgroup", pid), text);
}

static void moving(void **state) {
        Fixture *f = *state;
        FakeState *s = f->manager.state;
        ActuatorTarget t = {.pid = 77};
        char value[ACTUATOR_VALUE_MAX];
        Error e = ERROR_INIT;

        make_process(f, 77, 0, "/user.slice/user-7.slice/session-1.scope");
        assert_int_equal(actuator_scope.read(&f->context, &t, value), 0);
        assert_string_equal(value, "/user.slice/user-7.slice/session-1.scope");
        assert_int_equal(actuator_scope.apply(&f->context, &t, value), -EOPNOTSUPP);
        assert_int_equal(actuator_scope.apply(&f->context, &t, "/aikm.slice"), 0);
        assert_string_equal(s->scope, "aikm-77.scope");
        assert_string_equal(s->slice, "aikm.slice");
        assert_int_equal(s->scope_pid, 77);
        assert_non_null(strstr(s->description, "77"));
        (void)snprintf(s->taken, sizeof(s->taken), "aikm-77.scope");
        assert_int_equal(units_start_scope(f->units, 77, "d", &e), 0);
        assert_string_equal(s->scope, "aikm-77-4711.scope");
        s->mode = FAKE_JOB_FAILS;
        assert_int_equal(units_start_scope(f->units, 77, "d", &e), -ECANCELED);
        assert_non_null(strstr(e.text, "failed"));
        assert_int_equal(s->n_scopes, 3);
        s->mode = FAKE_NO_JOB;
        units_set_patience(f->units, &impatient);
        assert_int_equal(units_start_scope(f->units, 77, "d", NULL), -ETIMEDOUT);
        /* There already: nobody is asked. */
        fake_manager_kill(&f->manager);
        make_process(f, 77, 0, "/aikm.slice/aikm-77.scope");
        assert_int_equal(actuator_scope.read(&f->context, &t, value), 0);
        assert_string_equal(value, "/aikm.slice");
        assert_int_equal(actuator_scope.apply(&f->context, &t, "/aikm.slice"), 0);
}

static void not_moved(void **state) {
        static const char *const stay[] = {
                "/aikm.slice",
                "/",
                "/init.scope",
                "/machine.slice/c.scope/payload",
                "/user.slice/user-7.slice/user@7.service/init.scope",
                "/system.slice/docker-1.scope/init",
                "/system.slice/a.service (deleted)",
        };
        Fixture *f = *state;
        Treatment t = {.set = TREAT_SCOPE};
        char new[ACTUATOR_VALUE_MAX];

        for (size_t i = 0; i < ELEMENTSOF(stay); i++)
                assert_int_equal(actuator_scope.plan(&f->context, &t, stay[i], new), 0);
        assert_int_equal(actuator_scope.plan(&f->context, &t, HOGS, new), 1);
        assert_string_equal(new, "/aikm.slice");
        t.set = TREAT_NICE;
        assert_int_equal(actuator_scope.plan(&f->context, &t, HOGS, new), 0);
        make_process(f, 1, 0, "/init.scope");
        make_process(f, 9, 0x00200000, "/");
        assert_int_equal(units_start_scope(f->units, 1, "d", NULL), -EPERM);
        assert_int_equal(units_start_scope(f->units, 9, "d", NULL), -EPERM);
        assert_int_equal(units_start_scope(f->units, 10, "d", NULL), -ESRCH);
        assert_int_equal(f->manager.state->n_connections, 0);
}

/* --- probes ---------------------------------------------------------------------------------- */

static void probes(void **state) {
        Fixture *f = *state;
        Error e = ERROR_INIT;

        assert_int_equal(actuator_unit_cpu.probe(&f->context, &e), 0);
        assert_int_equal(actuator_scope.probe(&f->context, &e), 0);
        root_write(root_path(f->root, "sys/block/vda/queue/scheduler"), "[mq-deadline] bfq none\n");
        assert_int_equal(actuator_unit_io.probe(&f->context, &e), -ENOTTY);
        assert_true(e.text[0]);
        root_write(root_path(f->root, "sys/fs/cgroup/io.cost.qos"), "254:0 enable=1 ctrl=auto\n");
        assert_int_equal(actuator_unit_io.probe(&f->context, NULL), 0);
        assert_int_equal(unlink(root_path(f->root, "sys/fs/cgroup/io.cost.qos")), 0);
        root_write(root_path(f->root, "sys/block/vda/queue/scheduler"), "mq-deadline [bfq] none\n");
        assert_int_equal(actuator_unit_io.probe(&f->context, NULL), 0);
        root_write(root_path(f->root, "sys/fs/cgroup/cgroup.controllers"), "cpuset memory pids\n");
        assert_int_equal(actuator_unit_io.probe(&f->context, NULL), -EOPNOTSUPP);
        assert_int_equal(actuator_unit_cpu.probe(&f->context, NULL), -EOPNOTSUPP);
        assert_int_equal(unlink(root_path(f->root, "sys/fs/cgroup/cgroup.controllers")), 0);
        assert_int_equal(actuator_unit_cpu.probe(&f->context, NULL), -EOPNOTSUPP);
        root_write(root_path(f->root, "sys/fs/cgroup/cgroup.controllers"), "cpu\n");
        assert_int_equal(rmdir(root_path(f->root, "run/systemd/system")), 0);
        e = ERROR_INIT;
        assert_int_equal(actuator_unit_cpu.probe(&f->context, &e), -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "systemd"));
}

#define WITH_MANAGER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plans),
                WITH_MANAGER(there_and_back),
                WITH_MANAGER(drop_in_that_is_overruled),
                WITH_MANAGER(written_past_the_manager),
                WITH_MANAGER(disown_reaches_the_kernel),
                WITH_MANAGER(wrong_values),
                WITH_MANAGER(unknown_units),
                WITH_MANAGER(misbehaving),
                WITH_MANAGER(asked_again_after_a_rest),
                WITH_MANAGER(restarting),
                WITH_MANAGER(a_users_manager),
                WITH_MANAGER(a_users_manager_is_gone),
                WITH_MANAGER(a_users_manager_is_another_ones),
                WITH_MANAGER(moving),
                WITH_MANAGER(not_moved),
                WITH_MANAGER(probes),
        };

        return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
