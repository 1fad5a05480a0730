/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "policy/reach.h"

/* Bytes of p up to and including the component that begins at the slash at `at`. */
static size_t component_end(GroupPath p, size_t at) {
        size_t end = at + 1;

        while (end < p.length && p.start[end] != '/')
                end++;
        return end;
}

size_t reach_weighed(GroupPath own, GroupPath other) {
        size_t common = 0;

        /* The root is "/", its children "/a": with an empty name for the root they all begin
         * alike. */
        if (own.length <= 1 || other.length == 0)
                return 0;
        if (other.length == 1)
                other.length = 0;
        for (;;) {
                size_t a, b;

                if (common >= own.length)
                        return 0; /* own is other, or holds it */
                a = component_end(own, common);
                if (common >= other.length)
                        return a;
                b = component_end(other, common);
                if (a != b || memcmp(own.start + common, other.start + common, a - common) != 0)
                        return a;
                common = a;
        }
}

static bool ends_with(GroupPath name, const char *suffix) {
        size_t n = strlen(suffix);

        return name.length > n && memcmp(name.start + name.length - n, suffix, n) == 0;
}

static bool begins_with(GroupPath name, const char *prefix) {
        size_t n = strlen(prefix);

        return name.length > n && memcmp(name.start, prefix, n) == 0;
}

bool reach_is_unit(GroupPath group) {
        bool in_slice = true, users = false, unit = false;

        for (size_t at = 0; at < group.length;) {
                size_t end = component_end(group, at);
                GroupPath name = {group.start + at + 1, end - at - 1};

                if (!in_slice)
                        return false;
                in_slice = ends_with(name, ".slice");
                unit = in_slice || ends_with(name, ".service") || ends_with(name, ".scope");
                if (!in_slice && !users && begins_with(name, "user@") &&
                    ends_with(name, ".service"))
                        in_slice = users = true;
                at = end;
        }
        return unit;
}
