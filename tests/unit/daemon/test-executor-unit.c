/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Units through executor and ledger, with a service manager of the test's own in a temporary root.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/executor-internal.h"
#include "daemon/units.h"
#include "fake-service-manager.h"
#include "made-up-root.h"
#include "tests/unit/folder.h"
#include "util/io.h"

#define HOGS "/system.slice/hogs.service"

typedef struct Fixture {
        char root[64];
        int root_fd, dir_fd;
        FakeManager manager;
        Ledger *ledger;
        Executor *x;
        unsigned n_foreign;
} Fixture;

/* As a daemon that starts. */
static void start(Fixture *f) {
        Error e = ERROR_INIT;

        if (ledger_open(f->dir_fd, "boot", &f->ledger, NULL, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(executor_new(f->root_fd, f->ledger, "aikmd-test", &f->x), 0);
}

/* As one that is killed. */
static void stop(Fixture *f) {
        f->x = executor_free(f->x);
        f->ledger = ledger_close(f->ledger);
}

static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void)snprintf(f->root, sizeof(f->root), "/tmp/aikm-test-executor-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        assert_int_equal(io_mkdir_p(root_path(f->root, "run/systemd/system"), 0755), 0);
        assert_int_equal(io_mkdir_p(root_path(f->root, "run/aikmd"), 0755), 0);
        assert_int_equal(io_mkdir_p(root_path(f->root, "sys/fs/cgroup" HOGS), 0755), 0);
        root_write(root_path(f->root, "sys/fs/cgroup/cgroup.controllers"),
                   "cpuset cpu io memory pids\n");
        root_write(root_path(f->root, "sys/fs/cgroup/io.cost.qos"), "8:0 enable=1\n");
        f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        f->dir_fd = open(root_path(f->root, "run/aikmd"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->root_fd >= 0 && f->dir_fd >= 0);
        fake_manager_start(&f->manager, root_path(f->root, "run/systemd"), "system.control");
        start(f);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        stop(f);
        fake_manager_done(&f->manager);
        close(f->dir_fd);
        close(f->root_fd);
        assert_int_equal(folder_remove(f->root), 0);
        free(f);
        return 0;
}

static Outcome carry_out_with(Fixture *f, DecisionKind kind, uint32_t set, uint64_t *ret_action) {
        Decision d = {.kind = kind,
                      .pid = 4711,
                      .load_class = CLASS_BATCH,
                      .treatment = {.set = set, .unit_cpu_weight = 20, .unit_io_weight = 30},
                      .comm = "hog",
                      .unit = HOGS};
        uint64_t action = 0;
        Error e = ERROR_INIT;
        Outcome outcome = executor_carry_out(f->x, &d, "rules", &action, &e);

        if (ret_action)
                *ret_action = action;
        return outcome;
}

static Outcome carry_out(Fixture *f, DecisionKind kind, uint64_t *ret_action) {
        return carry_out_with(f, kind, TREAT_UNIT_CPU_WEIGHT, ret_action);
}

static bool has_drop_in(const Fixture *f) {
        return access(root_path(f->root,
                                "run/systemd/system.control/hogs.service.d/50-CPUWeight.conf"),
                      F_OK) == 0;
}

static void on_foreign(const char *unit, void *userdata) {
        Fixture *f = userdata;

        assert_string_equal(unit, HOGS);
        f->n_foreign++;
}

static void lowered_and_put_back(void **state) {
        Fixture *f = *state;
        const LedgerEntry *entry;
        uint64_t action, again;

        f->manager.state->cpu_weight = 150;
        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, &action), OUTCOME_DONE);
        assert_int_equal(f->manager.state->cpu_weight, 20);
        assert_int_equal(ledger_count(f->ledger, false), 1);
        entry = ledger_get(f->ledger, 0, false);
        assert_int_equal(entry->action, action);
        assert_int_equal(entry->pid, 0);
        assert_string_equal(entry->path, HOGS);
        assert_string_equal(entry->old_value, "150");
        assert_string_equal(entry->new_value, "20 set-property");
        assert_string_equal(entry->comm, "hog");
        /* It has that already. */
        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_NOTHING);
        executor_check_units(f->x, on_foreign, f);
        executor_sweep(f->x); /* that the hog is gone says nothing of its unit */
        assert_int_equal(f->n_foreign, 0);
        assert_int_equal(ledger_count(f->ledger, false), 1);

        assert_int_equal(carry_out(f, DECISION_RELEASE_UNIT, &again), OUTCOME_DONE);
        assert_int_equal(again, action);
        assert_int_equal(f->manager.state->cpu_weight, 150);
        assert_false(has_drop_in(f));
        assert_int_equal(ledger_count(f->ledger, false), 0);
        assert_int_equal(carry_out(f, DECISION_RELEASE_UNIT, NULL), OUTCOME_NOTHING);
}

static void already_low(void **state) {
        Fixture *f = *state;

        f->manager.state->cpu_weight = 10;
        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_NOTHING);
        assert_int_equal(f->manager.state->n_sets, 0);
        assert_int_equal(ledger_count(f->ledger, false), 0);
}

/* systemctl set-property while it is lowered, and systemctl revert. */
static void somebody_elses(void **state) {
        static const uint64_t values[] = {70, UINT64_MAX};
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_DONE);
                f->manager.state->cpu_weight = values[i];
                executor_check_units(f->x, on_foreign, f);
                assert_int_equal(f->n_foreign, i + 1);
                assert_int_equal(ledger_count(f->ledger, false), 0);
                assert_false(has_drop_in(f));
                assert_int_equal(carry_out(f, DECISION_RELEASE_UNIT, NULL), OUTCOME_NOTHING);
                assert_true(f->manager.state->cpu_weight == values[i]);
                f->manager.state->cpu_weight = UINT64_MAX;
        }
        /* Nobody looked in between. */
        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_DONE);
        f->manager.state->cpu_weight = 70;
        assert_int_equal(carry_out(f, DECISION_RELEASE_UNIT, NULL), OUTCOME_FOREIGN);
        assert_int_equal(f->manager.state->cpu_weight, 70);
        assert_false(has_drop_in(f));
}

/* Somebody sets one of two weights: the unit is left alone, so the other goes back. */
static void somebody_elses_of_two(void **state) {
        Fixture *f = *state;

        for (int looked = 0; looked < 2; looked++) {
                f->manager.state->cpu_weight = f->manager.state->io_weight = UINT64_MAX;
                assert_int_equal(carry_out_with(f, DECISION_DEMOTE_UNIT, TREAT_UNIT, NULL),
                                 OUTCOME_DONE);
                assert_int_equal(f->manager.state->io_weight, 30);
                assert_int_equal(ledger_count(f->ledger, false), 2);
                f->manager.state->cpu_weight = 70;
                f->n_foreign = 0;
                if (looked) {
                        executor_check_units(f->x, on_foreign, f);
                        assert_int_equal(f->n_foreign, 1);
                } else
                        assert_int_equal(carry_out_with(f, DECISION_DEMOTE_UNIT, TREAT_UNIT, NULL),
                                         OUTCOME_FOREIGN);
                assert_int_equal(f->manager.state->cpu_weight, 70);
                assert_true(f->manager.state->io_weight == UINT64_MAX);
                assert_int_equal(ledger_count(f->ledger, false), 0);
        }
}

static void restored_after_a_crash(void **state) {
        Fixture *f = *state;
        RestoreCount count;

        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_DONE);
        stop(f);
        start(f);
        assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, &count), 0);
        assert_int_equal(count.restored, 1);
        assert_true(f->manager.state->cpu_weight == UINT64_MAX);
        assert_false(has_drop_in(f));
}

/* Killed after the old value was told, and before the drop-in was removed. */
static void restored_after_half_a_put_back(void **state) {
        Fixture *f = *state;
        const char *drop_in = "run/systemd/system.control/hogs.service.d/50-CPUWeight.conf";
        RestoreCount count;

        f->manager.state->cpu_weight = 150;
        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_DONE);
        stop(f);
        f->manager.state->cpu_weight = 150;
        root_write(root_path(f->root, "%s", drop_in),
                   "# systemctl set-property\n[Service]\nCPUWeight=150\n");
        start(f);
        assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, &count), 0);
        assert_int_equal(count.restored, 1);
        assert_int_equal(f->manager.state->cpu_weight, 150);
        assert_false(has_drop_in(f));
}

/* What could not be put back stays in the ledger, with the reason. */
static void manager_is_silent(void **state) {
        Fixture *f = *state;
        RestoreCount count;

        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_DONE);
        f->manager.state->mode = FAKE_HANGS_UP;
        assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, &count), 0);
        assert_int_equal(count.failed, 1);
        assert_true(count.why.text[0] != '\0');
        assert_int_equal(ledger_count(f->ledger, false), 1);
        executor_check_units(f->x, on_foreign, f);
        assert_int_equal(f->n_foreign, 0);
        f->manager.state->mode = FAKE_GOOD;
        stop(f);
        start(f);
        assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, &count), 0);
        assert_int_equal(count.restored, 1);
}

static void demote_unanswered(Fixture *f, FakeMode mode) {
        f->manager.state->cpu_weight = 150;
        f->manager.state->mode = mode;
        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_UNANSWERED);
        assert_int_equal(ledger_count(f->ledger, false), 1);
        /* Left alone for a while: nothing is known, and nothing follows. */
        executor_check_units(f->x, on_foreign, f);
        assert_int_equal(f->n_foreign, 0);
        assert_int_equal(ledger_count(f->ledger, false), 1);
        f->manager.state->mode = FAKE_GOOD;
        units_end_rest(f->x->context.units);
}

/* Whoever did not answer may have done it: it is ours, and goes back. */
static void done_without_an_answer(void **state) {
        Fixture *f = *state;

        demote_unanswered(f, FAKE_MUTE);
        assert_int_equal(f->manager.state->cpu_weight, 20);
        executor_check_units(f->x, on_foreign, f);
        assert_int_equal(f->n_foreign, 0);
        assert_int_equal(f->manager.state->n_sets, 1);
        assert_int_equal(carry_out(f, DECISION_RELEASE_UNIT, NULL), OUTCOME_DONE);
        assert_int_equal(f->manager.state->cpu_weight, 150);
        assert_int_equal(ledger_count(f->ledger, false), 0);
}

/* Or never heard of it: then it is asked again, and the old value is nobody's doing. */
static void asked_again(void **state) {
        Fixture *f = *state;

        demote_unanswered(f, FAKE_DEAF);
        assert_int_equal(f->manager.state->cpu_weight, 150);
        executor_check_units(f->x, on_foreign, f);
        assert_int_equal(f->n_foreign, 0);
        assert_int_equal(f->manager.state->cpu_weight, 20);
        /* From now on it is known: who puts it back means it. */
        f->manager.state->cpu_weight = 150;
        executor_check_units(f->x, on_foreign, f);
        assert_int_equal(f->n_foreign, 1);
        assert_int_equal(ledger_count(f->ledger, false), 0);
}

/* At stop and on request a manager at rest is asked all the same. */
static void put_back_from_a_manager_at_rest(void **state) {
        Fixture *f = *state;
        RestoreCount count;

        f->manager.state->cpu_weight = 150;
        f->manager.state->mode = FAKE_MUTE;
        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_UNANSWERED);
        f->manager.state->mode = FAKE_GOOD;
        assert_int_equal(executor_restore(f->x, RESTORE_ALL, 0, &count), 0);
        assert_int_equal(count.restored, 1);
        assert_int_equal(f->manager.state->cpu_weight, 150);
}

static void no_such_unit(void **state) {
        Fixture *f = *state;

        (void)snprintf(f->manager.state->unit, sizeof(f->manager.state->unit), "other.service");
        assert_int_equal(carry_out(f, DECISION_DEMOTE_UNIT, NULL), OUTCOME_VANISHED);
        assert_int_equal(f->manager.state->n_sets, 0);
        assert_int_equal(ledger_count(f->ledger, false), 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                T(lowered_and_put_back),
                T(already_low),
                T(somebody_elses),
                T(somebody_elses_of_two),
                T(restored_after_a_crash),
                T(restored_after_half_a_put_back),
                T(manager_is_silent),
                T(done_without_an_answer),
                T(asked_again),
                T(put_back_from_a_manager_at_rest),
                T(no_such_unit),
        };

        return cmocka_run_group_tests_name("executor-unit", tests, NULL, NULL);
}
