/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "policy/class.h"
#include "util/macro.h"

static const char *const class_names[_CLASS_COUNT] = {
        [CLASS_IDLE] = "idle",     [CLASS_INTERACTIVE] = "interactive",
        [CLASS_SERVER] = "server", [CLASS_BATCH] = "batch",
        [CLASS_IO] = "io",         [CLASS_MEMORY] = "memory",
};

const char *class_to_string(LoadClass c) {
        return (size_t)c < ELEMENTSOF(class_names) ? class_names[c] : NULL;
}

int class_from_string(const char *name) {
        for (int c = 0; c < _CLASS_COUNT; c++)
                if (streq(class_names[c], name))
                        return c;
        return -EINVAL;
}
