/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "collectors/cgroup-parse.h"
#include "collectors/ident.h"

static void test_ident(void **state) {
        static const struct {
                const char *text, *cgroup, *unit;
        } cases[] = {
                {"0::/system.slice/nginx.service\n", "/system.slice/nginx.service",
                 "nginx.service"},
                {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope/child\n",
                 "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope/child",
                 "app-x.scope"},
                {"0::/user.slice/user-1000.slice/session-2.scope\n",
                 "/user.slice/user-1000.slice/session-2.scope", "session-2.scope"},
                {"0::/system.slice\n", "/system.slice", ""},
                {"0::/\n", "/", ""},
                {"0::/a/_cpu.service (deleted)\n", "/a/_cpu.service", "cpu.service"},
                {"0::/a:b.service\n", "/a:b.service", "a:b.service"},
                {"0::/.service/x\n", "/.service/x", ""},
                /* hybrid: v2 is empty, systemd's own hierarchy tells */
                {"5:cpu,cpuacct:/grp\n1:name=systemd:/system.slice/a.service\n0::/\n",
                 "/system.slice/a.service", "a.service"},
                {"5:cpuset:/no\n4:cpuacct,cpu:/grp\n0::/\n", "/grp", ""},
                {"1:name=systemd:/\n0::/x.scope\n", "/x.scope", "x.scope"},
                {"0::/cut.service", "/cut.service", "cut.service"},
                {"", "", ""},
                {"garbage\n0:\n::\n0::relative\n", "", ""},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                Ident ident = {.exe = "/bin/kept", .cgroup = "old", .unit = "old"};

                ident_parse_cgroup(cases[i].text, &ident);
                assert_string_equal(ident.cgroup, cases[i].cgroup);
                assert_string_equal(ident.unit, cases[i].unit);
                assert_string_equal(ident.exe, "/bin/kept");
        }
}

/* Too long to be told whole: the path is unknown, the unit, if it fits, is not. */
static void test_ident_long(void **state) {
        char text[1024] = "0::/";
        Ident ident;

        memset(text + 4, 'a', 300);
        strcpy(text + 304, "/b.service\n");
        ident_parse_cgroup(text, &ident);
        assert_string_equal(ident.cgroup, "");
        assert_string_equal(ident.unit, "b.service");
        strcpy(text + 304, ".service\n");
        ident_parse_cgroup(text, &ident);
        assert_string_equal(ident.unit, "");
}

static void test_paths(void **state) {
        CgroupPath paths[_CGROUP_HIERARCHY_COUNT];

        cgroup_parse_paths("9:cpuset,cpu:/c/d (deleted)\n1:name=systemd:/s\n10:cpu:/later\n0::/v\n",
                           paths);
        assert_int_equal(paths[CGROUP_V2].length, 2);
        assert_memory_equal(paths[CGROUP_V2].start, "/v", 2);
        assert_memory_equal(paths[CGROUP_V1_SYSTEMD].start, "/s", 2);
        cgroup_parse_paths("9:cpuset,cpu:/c/d (deleted)\n", paths);
        assert_int_equal(paths[CGROUP_V1_CPU].length, 4);
        assert_memory_equal(paths[CGROUP_V1_CPU].start, "/c/d", 4);
        assert_null(paths[CGROUP_V2].start);
}

static const char mountinfo[] =
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:26 /inner /sys/fs/cgroup/with\\040blank rw shared:9 master:2 - cgroup2 cgroup2 "
        "rw,nsdelegate\n"
        "31 22 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "32 22 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:3 - cgroup cgroup rw,cpu,cpuacct\n"
        "33 22 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";

static void test_mount(void **state) {
        char root[64], point[64];

        assert_int_equal(cgroup_parse_mount(mountinfo, CGROUP_V2, root, point, sizeof(root)), 0);
        assert_string_equal(root, "/inner");
        assert_string_equal(point, "/sys/fs/cgroup/with blank");
        assert_int_equal(cgroup_parse_mount(mountinfo, CGROUP_V1_CPU, root, point, sizeof(root)),
                         0);
        assert_string_equal(root, "/");
        assert_string_equal(point, "/sys/fs/cgroup/cpu,cpuacct");
        assert_int_equal(
                cgroup_parse_mount(mountinfo, CGROUP_V1_SYSTEMD, root, point, sizeof(root)), 0);
        assert_string_equal(point, "/sys/fs/cgroup/systemd");
        assert_int_equal(cgroup_parse_mount(mountinfo, CGROUP_V1_CPU, root, point, 8),
                         -ENAMETOOLONG);
        assert_int_equal(cgroup_parse_mount("", CGROUP_V2, root, point, sizeof(root)), -ENOENT);
        assert_int_equal(cgroup_parse_mount("30 22 0:26 / /x rw - cgroup2", CGROUP_V2, root, point,
                                            sizeof(root)),
                         -ENOENT);
        assert_int_equal(cgroup_parse_mount("1 2 3 4 5 6 7 8 9\n\n - - -\n", CGROUP_V2, root, point,
                                            sizeof(root)),
                         -ENOENT);
        assert_int_equal(cgroup_parse_mount("1 2 3 / /x\\04 rw - cgroup2 a b", CGROUP_V2, root,
                                            point, sizeof(root)),
                         0);
        assert_string_equal(point, "/x\\04");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ident),
                cmocka_unit_test(test_ident_long),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_mount),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
