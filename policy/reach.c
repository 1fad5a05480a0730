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

bool reach_is_unit(GroupPath group) {
        static const char *const suffixes[] = {".service", ".scope", ".slice"};
        size_t name = group.length;

        while (name > 0 && group.start[name - 1] != '/')
                name--;
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                size_t n = strlen(suffixes[i]);

                if (group.length - name > n &&
                    memcmp(group.start + group.length - n, suffixes[i], n) == 0)
                        return true;
        }
        return false;
}
