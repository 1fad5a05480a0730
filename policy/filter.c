/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/filter.h"

#include <errno.h>

#include "util/macro.h"

static const char *const names[_FILTER_MODE_COUNT] = {
        [FILTER_MODE_OFF] = "off",
        [FILTER_MODE_SHADOW] = "shadow",
        [FILTER_MODE_ENFORCE] = "enforce",
};

const char *filter_mode_to_string(FilterMode m) {
        return (size_t)m < ELEMENTSOF(names) ? names[m] : NULL;
}

int filter_mode_from_string(const char *name) {
        for (int m = 0; m < _FILTER_MODE_COUNT; m++)
                if (streq(names[m], name))
                        return m;
        return -EINVAL;
}

bool filter_interface_is_valid(const char *name) {
        for (const char *p = name; *p; p++)
                if (*p <= ' ' || *p > '~' || *p == '/' || *p == ':')
                        return false;
        return name[0] && strlen(name) < FILTER_INTERFACE_MAX && !streq(name, ".") &&
               !streq(name, "..");
}

FilterSetting filter_setting_default(void) {
        return (FilterSetting){
                .model = FILTER_MODEL_DEFAULT,
                .mode = FILTER_MODE_SHADOW,
                .kill_share = 0.5f,
                .kill_min = 256,
                .sample_interval = USEC_PER_SEC,
        };
}

const FilterSetting *filter_setting_find(const FilterSetting *settings, size_t n,
                                         const char *interface) {
        for (size_t i = 0; i < n; i++)
                if (streq(settings[i].interface, interface))
                        return &settings[i];
        return NULL;
}
