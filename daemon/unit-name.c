/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/unit-name.h"

#include <errno.h>

#include "util/io.h"

static const struct {
        const char *suffix, *section;
} types[] = {
        {".service", "Service"}, {".scope", "Scope"}, {".slice", "Slice"},
        {".socket", "Socket"},   {".mount", "Mount"}, {".swap", "Swap"},
};

static bool has_suffix(const char *text, const char *suffix) {
        size_t n = strlen(text), k = strlen(suffix);

        return n > k && streq(text + n - k, suffix);
}

static const char *find_section(const char *name) {
        if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                         ":-_.\\@") != strlen(name) ||
            name[0] == '@')
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (has_suffix(name, types[i].suffix))
                        return types[i].section;
        return NULL;
}

/* Takes the next component of a path. systemd puts "_" before names that mean something to the
 * kernel or begin with "_" or "."; the first one goes (cg_unescape). false at the end, and at what
 * is no component. */
static bool next_component(const char **p, char ret[UNIT_NAME_SIZE]) {
        const char *begin = *p;
        size_t n;

        if (*begin++ != '/')
                return false;
        if (*begin == '_')
                begin++;
        n = strcspn(begin, "/");
        if (n == 0 || n >= UNIT_NAME_SIZE)
                return false;
        memcpy(ret, begin, n);
        ret[n] = '\0';
        *p = begin + n;
        return true;
}

static bool manager_of_user(const char *name, uid_t *ret) {
        char number[16];
        uint64_t uid;

        if (sscanf(name, "user@%15[0-9].service", number) != 1 ||
            strlen(name) != strlen("user@.service") + strlen(number) ||
            parse_u64(number, 0, UINT32_MAX - 1, &uid) < 0)
                return false;
        *ret = (uid_t)uid;
        return true;
}

int unit_name_from_cgroup(const char *cgroup, UnitName *ret) {
        UnitName u = {.owner = UNIT_OWNER_MACHINE};
        const char *p = cgroup;
        bool only_slices = true;

        while (*p) {
                if (!only_slices &&
                    !(u.owner == UNIT_OWNER_MACHINE && manager_of_user(u.name, &u.owner)))
                        return -EINVAL;
                if (!next_component(&p, u.name))
                        return -EINVAL;
                u.section = find_section(u.name);
                if (!u.section)
                        return -EINVAL;
                only_slices = streq(u.section, "Slice");
        }
        if (!u.section)
                return -EINVAL;
        *ret = u;
        return 0;
}
