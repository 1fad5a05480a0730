/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "subject.h"

#include <linux/ioprio.h>

#include "tests/unit/folder.h"

static ActuatorContext context;
static char fake_root[64];

static void put(const char *path, const char *text) {
        char full[256];
        FILE *f;

        (void)snprintf(full, sizeof(full), "%s/%s", fake_root, path);
        *strrchr(full, '/') = '\0';
        assert_int_equal(io_mkdir_p(full, 0755), 0);
        full[strlen(full)] = '/';
        f = fopen(full, "we");
        assert_non_null(f);
        (void)fputs(text, f);
        (void)fclose(f);
}

static void remove_fake(const char *path) {
        char full[256];

        (void)snprintf(full, sizeof(full), "%s/%s", fake_root, path);
        assert_int_equal(unlink(full), 0);
        for (;;) {
                *strrchr(full, '/') = '\0';
                if (strlen(full) <= strlen(fake_root) || rmdir(full) < 0)
                        return;
        }
}

static int plan(const Actuator *a, Treatment t, const char *old, char *ret) {
        return a->plan(&context, &t, old, ret);
}

static void expect_plan(const Actuator *a, Treatment t, const char *old, const char *new) {
        char value[ACTUATOR_VALUE_MAX] = "";
        int r = plan(a, t, old, value);

        assert_int_equal(r, new != NULL);
        if (new)
                assert_string_equal(value, new);
}

static void test_table(void **state) {
        uint32_t fields = 0;

        for (size_t i = 0; actuator_all[i]; i++) {
                assert_true(i < EXECUTOR_ACTUATORS);
                assert_ptr_equal(actuator_find(actuator_all[i]->name), actuator_all[i]);
                assert_true(strlen(actuator_all[i]->name) < sizeof(((LedgerEntry *)0)->actuator));
                assert_int_equal(fields & actuator_all[i]->fields, 0);
                fields |= actuator_all[i]->fields;
        }
        assert_int_equal(fields, 0x7ff); /* every TreatmentField has its actuator */
        assert_null(actuator_find("nothing"));
}

/* A treatment never raises anything. */
static void test_sched_plan(void **state) {
        const Actuator *a = &actuator_sched;
        Treatment nice = {.set = TREAT_NICE, .nice = 10};
        Treatment batch = {.set = TREAT_SCHED, .sched = SCHED_BATCH};
        Treatment idle = {.set = TREAT_SCHED | TREAT_NICE, .sched = SCHED_IDLE, .nice = 19};
        Treatment slice = {.set = TREAT_SLICE, .slice_usec = 20000};
        uint32_t before = context.default_slice;

        expect_plan(a, nice, "other nice=0 slice=0 reset=0", "other nice=10 slice=0 reset=0");
        expect_plan(a, nice, "other nice=-20 slice=500000 reset=1",
                    "other nice=10 slice=500000 reset=1");
        expect_plan(a, nice, "other nice=10 slice=0 reset=0", NULL);
        expect_plan(a, nice, "other nice=19 slice=0 reset=0", NULL);
        expect_plan(a, nice, "idle nice=0 slice=0 reset=0", NULL);
        expect_plan(a, batch, "other nice=3 slice=0 reset=0", "batch nice=3 slice=0 reset=0");
        expect_plan(a, batch, "idle nice=3 slice=0 reset=0", NULL);
        expect_plan(a, idle, "batch nice=3 slice=0 reset=0", "idle nice=3 slice=0 reset=0");
        expect_plan(a, idle, "fifo prio=1 reset=0", NULL);
        expect_plan(a, idle, "deadline prio=0 reset=0", NULL);
        expect_plan(a, idle, "other nice=0", NULL);
        expect_plan(a, idle, "other nice=99 slice=0 reset=0", NULL);
        expect_plan(a, (Treatment){.set = TREAT_SCHED, .sched = SCHED_FIFO},
                    "other nice=0 slice=0 reset=0", NULL);
        context.default_slice = 1400000;
        expect_plan(a, slice, "other nice=0 slice=0 reset=0",
                    "other nice=0 slice=20000000 reset=0");
        expect_plan(a, slice, "other nice=0 slice=50000000 reset=0", NULL);
        expect_plan(a, (Treatment){.set = TREAT_SLICE, .slice_usec = 100},
                    "other nice=0 slice=0 reset=0", NULL);
        expect_plan(a, slice, "idle nice=0 slice=0 reset=0", NULL);
        context.default_slice = 0; /* a kernel before 6.12 */
        expect_plan(a, slice, "other nice=0 slice=0 reset=0", NULL);
        context.default_slice = before;
}

static void test_ioprio_plan(void **state) {
        const Actuator *a = &actuator_ioprio;
        Treatment be = {.set = TREAT_IOPRIO, .ioprio_class = 2, .ioprio_level = 6};
        Treatment idle = {.set = TREAT_IOPRIO, .ioprio_class = 3};

        expect_plan(a, be, "none:0", "be:6");
        expect_plan(a, be, "be:4", "be:6");
        expect_plan(a, be, "be:4/5", "be:6/5");
        expect_plan(a, be, "be:7", NULL);
        expect_plan(a, be, "idle:7", NULL);
        expect_plan(a, be, "rt:0", NULL);
        expect_plan(a, idle, "be:7", "idle:7");
        expect_plan(a, idle, "none:0", "idle:7");
        expect_plan(a, idle, "idle:7", NULL);
        expect_plan(a, idle, "odd:7", NULL);
        expect_plan(a, (Treatment){.set = TREAT_IOPRIO, .ioprio_class = 2, .ioprio_level = 2},
                    "none:0", NULL);
        expect_plan(a, (Treatment){.set = TREAT_IOPRIO, .ioprio_class = 1}, "be:4", NULL);
        expect_plan(a, (Treatment){.set = TREAT_NICE}, "be:4", NULL);
}

static void test_affinity_plan(void **state) {
        const Actuator *a = &actuator_affinity;
        char value[ACTUATOR_VALUE_MAX];

        expect_plan(a, (Treatment){.set = TREAT_CPUS, .cpus = 2}, "0-1", "1");
        expect_plan(a, (Treatment){.set = TREAT_CPUS, .cpus = 0xf0}, "0-5,7,9-11", "4-5,7");
        expect_plan(a, (Treatment){.set = TREAT_CPUS, .cpus = UINT64_MAX}, "60-80", "60-63");
        expect_plan(a, (Treatment){.set = TREAT_CPUS, .cpus = 3}, "0-1", NULL);
        expect_plan(a, (Treatment){.set = TREAT_CPUS, .cpus = 3}, "1", NULL);
        expect_plan(a, (Treatment){.set = TREAT_CPUS, .cpus = 4}, "0-1", NULL); /* none left */
        expect_plan(a, (Treatment){.set = TREAT_CPUS, .cpus = 0}, "0-1", NULL);
        assert_true(plan(a, (Treatment){.set = TREAT_CPUS}, "0-", value) < 0);
        assert_true(plan(a, (Treatment){.set = TREAT_CPUS}, "3-1", value) < 0);
        assert_true(plan(a, (Treatment){.set = TREAT_CPUS}, "", value) < 0);
        assert_true(plan(a, (Treatment){.set = TREAT_CPUS}, "0,99999999999999999999", value) < 0);
}

static void test_autogroup_plan(void **state) {
        const Actuator *a = &actuator_autogroup;
        Treatment t = {.set = TREAT_AUTOGROUP, .autogroup_nice = 10};

        expect_plan(a, t, "/autogroup-17 nice 0", "/autogroup-17 nice 10");
        expect_plan(a, t, "/autogroup-17 nice -5", "/autogroup-17 nice 10");
        expect_plan(a, t, "/autogroup-17 nice 10", NULL);
        expect_plan(a, t, "/autogroup-17 nice 19", NULL);
        expect_plan(a, t, "/autogroup-x nice 0", NULL);
        expect_plan(a, t, "", NULL);
}

/* Every settable value comes back as the text that set it. */
static void test_round_trip(void **state) {
        static const struct {
                const Actuator *actuator;
                const char *values[8];
        } cases[] = {
                {&actuator_sched,
                 {"batch nice=5 slice=0 reset=0", "idle nice=5 slice=0 reset=0",
                  "other nice=-3 slice=0 reset=1", "other nice=0 slice=0 reset=0"}},
                {&actuator_ioprio, {"be:0", "be:7", "idle:7", "none:0"}},
                {&actuator_affinity, {"0", "0-1"}},
        };
        Subject s;

        subject_new(&s, NULL, 0, true);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Actuator *a = cases[i].actuator;
                ActuatorTarget t = {.pid = s.pid, .tid = s.pid};
                char first[ACTUATOR_VALUE_MAX], value[ACTUATOR_VALUE_MAX];
                Error e = ERROR_INIT;

                if (a == &actuator_affinity && a->probe(&context, &e) < 0) {
                        print_message("skipped: %s: %s\n", a->name, e.text);
                        continue;
                }
                assert_int_equal(a->read(&context, &t, first), 0);
                for (size_t k = 0; k < 8 && cases[i].values[k]; k++) {
                        assert_int_equal(a->apply(&context, &t, cases[i].values[k]), 0);
                        assert_int_equal(a->read(&context, &t, value), 0);
                        assert_string_equal(value, cases[i].values[k]);
                }
                assert_int_equal(a->apply(&context, &t, "nonsense"), -EINVAL);
                assert_int_equal(a->apply(&context, &t, first), 0);
                assert_int_equal(a->read(&context, &t, value), 0);
                assert_string_equal(value, first);
        }
        subject_kill(&s);
}

static void test_slice(void **state) {
        ActuatorTarget t;
        char value[ACTUATOR_VALUE_MAX];
        Subject s;

        if (context.default_slice == 0) {
                print_message("skipped: this kernel takes no slice\n");
                skip();
        }
        subject_new(&s, NULL, 0, true);
        t = (ActuatorTarget){.pid = s.pid, .tid = s.pid};
        assert_int_equal(actuator_sched.apply(&context, &t, "other nice=0 slice=5000000 reset=0"),
                         0);
        assert_int_equal(actuator_sched.read(&context, &t, value), 0);
        assert_string_equal(value, "other nice=0 slice=5000000 reset=0");
        /* nice alone must not clear it, and 0 is the default again. */
        assert_int_equal(actuator_sched.apply(&context, &t, "other nice=9 slice=5000000 reset=0"),
                         0);
        assert_int_equal(actuator_sched.read(&context, &t, value), 0);
        assert_string_equal(value, "other nice=9 slice=5000000 reset=0");
        assert_int_equal(actuator_sched.apply(&context, &t, "other nice=0 slice=0 reset=0"), 0);
        assert_int_equal(actuator_sched.read(&context, &t, value), 0);
        assert_string_equal(value, "other nice=0 slice=0 reset=0");
        subject_kill(&s);
}

static void test_realtime_left_alone(void **state) {
        struct sched_param p = {.sched_priority = 1};
        char value[ACTUATOR_VALUE_MAX], new[ACTUATOR_VALUE_MAX];
        ActuatorTarget t;
        Subject s;

        subject_new(&s, NULL, 0, true);
        t = (ActuatorTarget){.pid = s.pid, .tid = s.pid};
        if (sched_setscheduler(s.pid, SCHED_FIFO, &p) < 0) {
                print_message("skipped: SCHED_FIFO: %s\n", strerror(errno));
                subject_kill(&s);
                skip();
        }
        assert_int_equal(actuator_sched.read(&context, &t, value), 0);
        assert_string_equal(value, "fifo prio=1 reset=0");
        assert_int_equal(
                plan(&actuator_sched,
                     (Treatment){.set = TREAT_NICE | TREAT_SCHED, .nice = 19, .sched = SCHED_IDLE},
                     value, new),
                0);
        assert_int_equal(actuator_sched.apply(&context, &t, value), -EINVAL);
        subject_kill(&s);
}

static void test_gone(void **state) {
        char value[ACTUATOR_VALUE_MAX];
        ActuatorTarget t;
        Subject s;

        subject_new(&s, NULL, 0, true);
        t = (ActuatorTarget){.pid = s.pid, .tid = s.pid};
        subject_kill(&s);
        assert_int_equal(actuator_sched.read(&context, &t, value), -ESRCH);
        assert_int_equal(actuator_ioprio.read(&context, &t, value), -ESRCH);
        assert_int_equal(actuator_affinity.read(&context, &t, value), -ESRCH);
        assert_int_equal(actuator_autogroup.read(&context, &t, value), -ESRCH);
        assert_int_equal(actuator_sched.apply(&context, &t, "other nice=0 slice=0 reset=0"),
                         -ESRCH);
        assert_int_equal(actuator_affinity.apply(&context, &t, "0"), -ESRCH);
}

static void test_knob(void **state) {
        ActuatorContext c = {.root_fd = -EBADF, .cgroup_name = "x"};
        char value[ACTUATOR_VALUE_MAX];
        _cleanup_close_
        int root = -EBADF;

        put("sys/one", "always [madvise] never\n");
        put("sys/two", "60\n");
        put("sys/three", "odd[1] \t\n");
        put("sys/four", "[none] bfq\n");
        root = c.root_fd = open(fake_root, O_PATH | O_CLOEXEC);
        assert_int_equal(actuator_knob.read(&c, &(ActuatorTarget){.path = "sys/one"}, value), 0);
        assert_string_equal(value, "madvise");
        assert_int_equal(actuator_knob.read(&c, &(ActuatorTarget){.path = "sys/two"}, value), 0);
        assert_string_equal(value, "60");
        assert_int_equal(actuator_knob.read(&c, &(ActuatorTarget){.path = "sys/three"}, value), 0);
        assert_string_equal(value, "odd[1]");
        assert_int_equal(actuator_knob.read(&c, &(ActuatorTarget){.path = "sys/four"}, value), 0);
        assert_string_equal(value, "none");
        assert_int_equal(actuator_knob.read(&c, &(ActuatorTarget){.path = "sys/none"}, value),
                         -ESRCH);
        assert_int_equal(actuator_knob.apply(&c, &(ActuatorTarget){.path = "sys/two"}, "10"), 0);
        assert_int_equal(actuator_knob.read(&c, &(ActuatorTarget){.path = "sys/two"}, value), 0);
        assert_string_equal(value, "10");
        assert_int_equal(actuator_knob.apply(&c, &(ActuatorTarget){.path = "sys/none"}, "10"),
                         -ESRCH);
        remove_fake("sys/one");
        remove_fake("sys/two");
        remove_fake("sys/three");
        remove_fake("sys/four");
}

static void test_ioprio_probe(void **state) {
        _cleanup_close_
        int root = open(fake_root, O_PATH | O_CLOEXEC);
        ActuatorContext c = {.root_fd = root, .cgroup_name = "x"};
        Error e = ERROR_INIT;

        assert_int_equal(actuator_ioprio.probe(&c, &e), -EOPNOTSUPP);
        put("sys/block/sda/queue/scheduler", "[none] mq-deadline bfq\n");
        assert_int_equal(actuator_ioprio.probe(&c, NULL), -ENOTTY);
        put("sys/block/sdb/queue/scheduler", "none mq-deadline [bfq]\n");
        assert_int_equal(actuator_ioprio.probe(&c, NULL), 0);
        remove_fake("sys/block/sda/queue/scheduler");
        remove_fake("sys/block/sdb/queue/scheduler");
}

static void test_autogroup_probe(void **state) {
        _cleanup_close_
        int root = open(fake_root, O_PATH | O_CLOEXEC);
        ActuatorContext c = {.root_fd = root, .cgroup_name = "x"};

        assert_int_equal(actuator_autogroup.probe(&c, NULL), -EOPNOTSUPP);
        put("proc/sys/kernel/sched_autogroup_enabled", "0\n");
        assert_int_equal(actuator_autogroup.probe(&c, NULL), -ENOTTY);
        put("proc/sys/kernel/sched_autogroup_enabled", "1\n");
        assert_int_equal(actuator_autogroup.probe(&c, NULL), 0);
        remove_fake("proc/sys/kernel/sched_autogroup_enabled");
}

#define V2 "30 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1                                                                            \
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" \
        "38 31 0:35 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"

static void cgroup_case(const char *mounts, const char *membership, const char *text, Treatment t,
                        const char *new) {
        _cleanup_close_
        int root = open(fake_root, O_PATH | O_CLOEXEC);
        ActuatorContext c = {.root_fd = root, .cgroup_name = "aikmd"};
        char value[ACTUATOR_VALUE_MAX], planned[ACTUATOR_VALUE_MAX] = "";
        Error e = ERROR_INIT;
        int r;

        put("proc/self/mountinfo", mounts);
        put("proc/7/task/7/cgroup", membership);
        put("proc/7/task/8/cgroup", membership);
        r = actuator_cgroup.probe(&c, &e);
        if (!text) {
                assert_int_equal(r, -EOPNOTSUPP);
                assert_true(e.text[0]);
        } else {
                assert_int_equal(r, 0);
                assert_int_equal(actuator_cgroup.read(&c, &(ActuatorTarget){.pid = 7}, value), 0);
                assert_string_equal(value, text);
                assert_int_equal(actuator_cgroup.plan(&c, &t, value, planned), new != NULL);
                if (new)
                        assert_string_equal(planned, new);
                /* A fake tree is nothing that libcgroup could be let loose on. */
                if (new)
                        assert_int_equal(
                                actuator_cgroup.apply(&c, &(ActuatorTarget){.pid = 7}, new),
                                -EOPNOTSUPP);
        }
        free(c.cgroup);
        remove_fake("proc/self/mountinfo");
        remove_fake("proc/7/task/7/cgroup");
        remove_fake("proc/7/task/8/cgroup");
}

static void test_cgroup_layouts(void **state) {
        Treatment cpu = {.set = TREAT_CPU_WEIGHT, .cpu_weight = 5};
        Treatment both = {
                .set = TREAT_CPU_WEIGHT | TREAT_IO_WEIGHT, .cpu_weight = 0, .io_weight = 10};
        Treatment io = {.set = TREAT_IO_WEIGHT, .io_weight = 10};
        Treatment up = {.set = TREAT_CPU_WEIGHT, .cpu_weight = 200};

        put("sys/fs/cgroup/cpu,cpuacct/cpu.shares", "1024\n");
        put("sys/fs/cgroup/blkio/tasks", "");
        put("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n");
        put("sys/block/sda/queue/scheduler", "[mq-deadline]\n");

        cgroup_case(V2, "0::/\n", "/", cpu, "/aikmd-low-5");
        cgroup_case(V2, "0::/\n", "/", both, "/aikmd-low-0"); /* without bfq no I/O weight */
        cgroup_case(V2, "0::/\n", "/", io, NULL);
        cgroup_case(V2, "0::/\n", "/", up, NULL);
        cgroup_case(V2, "0::/user.slice\n", "/user.slice", cpu, NULL); /* somebody's */
        cgroup_case(V1, "5:blkio:/b\n4:cpu,cpuacct:/\n1:name=systemd:/x\n0::/y\n", "/", cpu,
                    "/aikmd-low-5");
        put("sys/block/sda/queue/scheduler", "[bfq]\n");
        cgroup_case(V2, "0::/\n", "/", both, "/aikmd-low-0-10");
        cgroup_case(V2, "0::/\n", "/", io, "/aikmd-low-100-10");
        cgroup_case(V1, "5:blkio:/\n4:cpu,cpuacct:/\n0::/\n", "/ // /", both,
                    "/aikmd-low-0 // /aikmd-low-10");
        cgroup_case(V1, "5:blkio:/b\n4:cpu,cpuacct:/\n0::/\n", "/ // /b", both,
                    "/aikmd-low-0 // /b");
        /* Hybrid: the v1 hierarchy has the controller, v2 is beside it. */
        put("sys/fs/cgroup/cgroup.controllers", "hugetlb\n");
        cgroup_case(V2 V1, "5:blkio:/\n4:cpu,cpuacct:/\n0::/\n", "/ // /", cpu,
                    "/aikmd-low-5 // /");
        cgroup_case(V2, "0::/\n", NULL, cpu, NULL);
        cgroup_case("", "0::/\n", NULL, cpu, NULL);
        cgroup_case("garbage - - \n\n - cgroup\n", "0::/\n", NULL, cpu, NULL);
        put("run/systemd/system/x", "");
        cgroup_case(V1, "4:cpu,cpuacct:/\n", NULL, cpu, NULL);

        remove_fake("run/systemd/system/x");
        remove_fake("sys/fs/cgroup/cpu,cpuacct/cpu.shares");
        remove_fake("sys/fs/cgroup/blkio/tasks");
        remove_fake("sys/fs/cgroup/cgroup.controllers");
        remove_fake("sys/block/sda/queue/scheduler");
}

static void test_cgroup_spread(void **state) {
        _cleanup_close_
        int root = open(fake_root, O_PATH | O_CLOEXEC);
        ActuatorContext c = {.root_fd = root, .cgroup_name = "aikmd"};
        char value[ACTUATOR_VALUE_MAX];

        put("sys/fs/cgroup/cgroup.controllers", "cpu\n");
        put("proc/self/mountinfo", V2);
        put("proc/7/task/7/cgroup", "0::/a\n");
        put("proc/7/task/8/cgroup", "0::/b\n");
        assert_int_equal(actuator_cgroup.probe(&c, NULL), 0);
        assert_int_equal(actuator_cgroup.read(&c, &(ActuatorTarget){.pid = 7}, value), -EBUSY);
        assert_int_equal(actuator_cgroup.read(&c, &(ActuatorTarget){.pid = 9}, value), -ESRCH);
        free(c.cgroup);
        remove_fake("sys/fs/cgroup/cgroup.controllers");
        remove_fake("proc/self/mountinfo");
        remove_fake("proc/7/task/7/cgroup");
        remove_fake("proc/7/task/8/cgroup");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),          cmocka_unit_test(test_sched_plan),
                cmocka_unit_test(test_ioprio_plan),    cmocka_unit_test(test_affinity_plan),
                cmocka_unit_test(test_autogroup_plan), cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_slice),          cmocka_unit_test(test_realtime_left_alone),
                cmocka_unit_test(test_gone),           cmocka_unit_test(test_knob),
                cmocka_unit_test(test_ioprio_probe),   cmocka_unit_test(test_autogroup_probe),
                cmocka_unit_test(test_cgroup_layouts), cmocka_unit_test(test_cgroup_spread),
        };
        int r;

        if (geteuid() != 0) {
                (void)puts("skipped: needs root to put priorities back");
                return 77;
        }
        (void)snprintf(fake_root, sizeof(fake_root), "/tmp/aikm-test-root-XXXXXX");
        if (!mkdtemp(fake_root))
                return 1;
        context = (ActuatorContext){.root_fd = open("/", O_PATH | O_CLOEXEC), .cgroup_name = "x"};
        if (actuator_sched.probe(&context, NULL) < 0)
                return 1;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        close(context.root_fd);
        if (folder_remove(fake_root) < 0)
                r = 1;
        return r;
}
