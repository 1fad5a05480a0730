/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/ident.h"

#include <string.h>

#include "collectors/cgroup-parse.h"

static bool is_unit(const char *name, size_t length) {
        /* Slices are left out: they hold units, they are not what runs. */
        static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                size_t n = strlen(suffixes[i]);

                if (length > n && memcmp(name + length - n, suffixes[i], n) == 0)
                        return true;
        }
        return false;
}

/* The innermost component that is a unit. systemd puts '_' before names that would clash with the
 * kernel's files. */
static void parse_unit(CgroupPath path, char *ret, size_t size) {
        const char *end = path.start + path.length;

        while (end > path.start) {
                const char *name = end;

                while (name > path.start && name[-1] != '/')
                        name--;
                if (is_unit(name, (size_t)(end - name))) {
                        name += *name == '_';
                        if ((size_t)(end - name) < size) {
                                memcpy(ret, name, (size_t)(end - name));
                                ret[end - name] = '\0';
                        }
                        return;
                }
                end = name > path.start ? name - 1 : name;
        }
}

void ident_parse_cgroup(const char *text, Ident *ret) {
        CgroupPath paths[_CGROUP_HIERARCHY_COUNT], best = {};

        ret->cgroup[0] = '\0';
        ret->unit[0] = '\0';
        cgroup_parse_paths(text, paths);
        /* Where v1 hierarchies do the work, everything sits in the root of an empty v2 one: the
         * first path that says something counts. */
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (paths[i].start && (!best.start || (best.length == 1 && paths[i].length > 1)))
                        best = paths[i];
        if (!best.start)
                return;
        /* A path cut short would match other rules than its own: unknown is better. */
        if (best.length < sizeof(ret->cgroup)) {
                memcpy(ret->cgroup, best.start, best.length);
                ret->cgroup[best.length] = '\0';
        }
        parse_unit(best, ret->unit, sizeof(ret->unit));
}
