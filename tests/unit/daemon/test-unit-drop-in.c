/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which unit a cgroup is, and the runtime drop-ins of one, in a temporary root. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/unit-drop-in.h"
#include "daemon/unit-name.h"
#include "made-up-root.h"
#include "tests/unit/folder.h"
#include "util/io.h"

#define HOGS "/system.slice/hogs.service"
#define STRANGER 4242

typedef struct Fixture {
        char root[64];
        int root_fd;
} Fixture;

static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void)snprintf(f->root, sizeof(f->root), "/tmp/aikm-test-drop-in-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->root_fd >= 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        close(f->root_fd);
        assert_int_equal(folder_remove(f->root), 0);
        free(f);
        return 0;
}

/* --- names ----------------------------------------------------------------------------------- */

static void names(void **state) {
        static const struct {
                const char *cgroup, *name, *section;
                uid_t owner;
        } table[] = {
                {"/system.slice/a.service", "a.service", "Service", UNIT_OWNER_MACHINE},
                {"/system.slice", "system.slice", "Slice", UNIT_OWNER_MACHINE},
                {"/a.slice/a-b.slice/c@d.service", "c@d.service", "Service", UNIT_OWNER_MACHINE},
                {"/system.slice/_cpu.service", "cpu.service", "Service", UNIT_OWNER_MACHINE},
                {"/system.slice/__a.service", "_a.service", "Service", UNIT_OWNER_MACHINE},
                {"/system.slice/dev-a\\x2db.swap", "dev-a\\x2db.swap", "Swap", UNIT_OWNER_MACHINE},
                {"/init.scope", "init.scope", "Scope", UNIT_OWNER_MACHINE},
                {"/user.slice/user-7.slice/session-c2.scope", "session-c2.scope", "Scope",
                 UNIT_OWNER_MACHINE},
                {"/user.slice/user-7.slice/user@7.service", "user@7.service", "Service",
                 UNIT_OWNER_MACHINE},
                {"/user.slice/user-7.slice/user@7.service/app.slice/a.scope", "a.scope", "Scope",
                 7},
                {"/user.slice/user-7.slice/user@7.service/app.slice", "app.slice", "Slice", 7},
                {"/user.slice/user-7.slice/user@7.service/init.scope", "init.scope", "Scope", 7},
        };
        static const char *const wrong[] = {
                "",
                "/",
                "a.service",
                "/system.slice/",
                "/system.slice//a.service",
                "/a",
                "/.service",
                "/system.slice/a.service/b.service", /* delegated */
                "/machine.slice/c.scope/user.slice/user-7.slice/user@7.service/a.service",
                "/user.slice/user-7.slice/user@7.service/a.service/b.service",
                "/user.slice/user-7.slice/user@7.service/user@0.service/a.service",
                "/user.slice/user-7.slice/user@7.service/user@0.service/a.slice",
                "/user.slice/user-7.slice/user@7x.service/a.service",
                "/user.slice/user-7.slice/user@.service/a.service",
                "/user.slice/user-7.slice/user@4294967295.service/a.service",
                "/user.slice/user-7.slice/user@99999999999.service/a.service",
                "/system.slice/a.service (deleted)",
                "/system.slice/a b.service",
                "/system.slice/../a.service",
                "/system.slice/@a.service",
                "/system.slice/a.timer",
                "/_/a.service",
        };
        char longest[400] = "/";
        UnitName u;

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                assert_int_equal(unit_name_from_cgroup(table[i].cgroup, &u), 0);
                assert_string_equal(u.name, table[i].name);
                assert_string_equal(u.section, table[i].section);
                assert_int_equal(u.owner, table[i].owner);
        }
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                if (unit_name_from_cgroup(wrong[i], &u) != -EINVAL)
                        fail_msg("%s is taken for a unit", wrong[i]);
        memset(longest + 1, 'a', 247);
        strcat(longest, ".service");
        assert_int_equal(unit_name_from_cgroup(longest, &u), 0);
        memset(longest + 1, 'a', 248);
        strcpy(longest + 249, ".service");
        assert_int_equal(unit_name_from_cgroup(longest, &u), -EINVAL);
}

/* --- drop-ins -------------------------------------------------------------------------------- */

static void drop_in_contents(void **state) {
        static const struct {
                const char *text;
                int found;
        } table[] = {
                {"[Service]\nCPUWeight=20\n", 1},
                {"# c\n; d\n\n[Service]\nCPUWeight=20", 1},
                {"", 0},
                {"CPUWeight=20\n", 0},
                {"CPUWeight=20\n[Service]\n", 0},
                {"[Service]\nCPUWeight=200\n", 0},
                {"[Service]\nCPUWeight=2\n", 0},
                {"[Scope]\nCPUWeight=20\n", 0},
                {"[Service]\nCPUWeight=20\nCPUWeight=20\n", 0},
                {"[Service]\nCPUWeight=20\nIOWeight=20\n", 0},
                {"[Service]\nCPUWeight=20\n[Service]\n", 0},
        };
        Fixture *f = *state;
        const char *path = root_path(f->root,
                                     "run/systemd/system.control/hogs.service.d/50-CPUWeight.conf");
        UnitName u;
        char big[5000];

        assert_int_equal(unit_name_from_cgroup(HOGS, &u), 0);
        assert_int_equal(unit_drop_in_find(f->root_fd, &u, "CPUWeight", "20"), 0);
        assert_int_equal(
                io_mkdir_p(root_path(f->root, "run/systemd/system.control/hogs.service.d"), 0755),
                0);
        assert_int_equal(unit_drop_in_find(f->root_fd, &u, "CPUWeight", "20"), 0);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                root_write(path, table[i].text);
                assert_int_equal(unit_drop_in_find(f->root_fd, &u, "CPUWeight", "20"),
                                 table[i].found);
                if (!table[i].found)
                        assert_int_equal(unit_drop_in_remove(f->root_fd, &u, "CPUWeight", "20"), 0);
                assert_true(root_exists(path));
        }
        memset(big, '#', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        root_write(path, big);
        assert_int_equal(unit_drop_in_find(f->root_fd, &u, "CPUWeight", "20"), 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(unit_drop_in_remove(f->root_fd, &u, "CPUWeight", "20"), 0);
        assert_true(root_exists(path));
}

static void drop_in_removal(void **state) {
        Fixture *f = *state;
        const char *folder = "run/systemd/transient/hogs.service.d";
        UnitName u;

        assert_int_equal(unit_name_from_cgroup(HOGS, &u), 0);
        assert_int_equal(io_mkdir_p(root_path(f->root, "%s", folder), 0755), 0);
        root_write(root_path(f->root, "%s/50-CPUWeight.conf", folder), "[Service]\nCPUWeight=20\n");
        root_write(root_path(f->root, "%s/50-IOWeight.conf", folder), "[Service]\nIOWeight=30\n");
        assert_int_equal(unit_drop_in_find(f->root_fd, &u, "CPUWeight", "20"), 1);
        assert_int_equal(unit_drop_in_remove(f->root_fd, &u, "CPUWeight", "20"), 1);
        assert_true(root_exists(root_path(f->root, "%s/50-IOWeight.conf", folder)));
        assert_int_equal(unit_drop_in_remove(f->root_fd, &u, "IOWeight", "30"), 1);
        assert_false(root_exists(root_path(f->root, "%s", folder)));
        assert_true(root_exists(root_path(f->root, "run/systemd/transient")));
        assert_int_equal(unit_drop_in_remove(f->root_fd, &u, "IOWeight", "30"), 0);
}

/* What a user puts into the way leads nowhere else. */
static void links_are_not_followed(void **state) {
        Fixture *f = *state;
        UnitName u = {.owner = STRANGER, .name = "hogs.service", .section = "Service"};
        const char *victim = "elsewhere/hogs.service.d/50-CPUWeight.conf";

        assert_int_equal(io_mkdir_p(root_path(f->root, "elsewhere/hogs.service.d"), 0755), 0);
        root_write(root_path(f->root, "%s", victim), "[Service]\nCPUWeight=20\n");
        assert_int_equal(io_mkdir_p(root_path(f->root, "run/user/%d/systemd", STRANGER), 0755), 0);
        assert_int_equal(symlink(root_path(f->root, "elsewhere"),
                                 root_path(f->root, "run/user/%d/systemd/user.control", STRANGER)),
                         0);
        assert_int_equal(unit_drop_in_remove(f->root_fd, &u, "CPUWeight", "20"), 0);
        assert_true(root_exists(root_path(f->root, "%s", victim)));
        assert_int_equal(unlink(root_path(f->root, "run/user/%d/systemd/user.control", STRANGER)),
                         0);
        assert_int_equal(
                io_mkdir_p(root_path(f->root, "run/user/%d/systemd/user.control/hogs.service.d",
                                     STRANGER),
                           0755),
                0);
        assert_int_equal(
                symlink(root_path(f->root, "%s", victim),
                        root_path(
                                f->root,
                                "run/user/%d/systemd/user.control/hogs.service.d/50-CPUWeight.conf",
                                STRANGER)),
                0);
        assert_int_equal(unit_drop_in_remove(f->root_fd, &u, "CPUWeight", "20"), 0);
        assert_true(root_exists(root_path(f->root, "%s", victim)));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names),
                cmocka_unit_test_setup_teardown(drop_in_contents, set_up, tear_down),
                cmocka_unit_test_setup_teardown(drop_in_removal, set_up, tear_down),
                cmocka_unit_test_setup_teardown(links_are_not_followed, set_up, tear_down),
        };

        return cmocka_run_group_tests_name("unit-drop-in", tests, NULL, NULL);
}
