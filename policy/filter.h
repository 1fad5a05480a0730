/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the administrator wants of the traffic filter on one interface. Plain data. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/time.h"

#define FILTER_INTERFACE_MAX 16 /* IFNAMSIZ */
#define FILTER_MODEL_MAX 256
#define FILTER_SETTING_ALLOW_MAX 64
#define FILTER_SETTING_PREFIX_MAX 50
#define FILTER_MODEL_DEFAULT "default-filter"

typedef enum FilterMode {
        FILTER_MODE_OFF,     /* no filter there */
        FILTER_MODE_SHADOW,  /* judges and counts, drops nothing */
        FILTER_MODE_ENFORCE, /* drops what it takes for malicious */
        _FILTER_MODE_COUNT,
} FilterMode;

const char *filter_mode_to_string(FilterMode m);
int filter_mode_from_string(const char *name); /* -EINVAL */

/* Printable, as it goes to the bus and to terminals, and what the kernel takes: no blank, '/' or
 * ':', neither "." nor "..", shorter than FILTER_INTERFACE_MAX. */
bool filter_interface_is_valid(const char *name);

typedef struct FilterSetting {
        char interface[FILTER_INTERFACE_MAX];
        char model[FILTER_MODEL_MAX]; /* a name, or the path of an object */
        FilterMode mode;
        bool generic;           /* not by the driver's own path */
        float kill_share;       /* of a second's packets that may be dropped, 0..1; 1: all */
        uint32_t kill_min;      /* of these, before that share means anything */
        usec_t sample_interval; /* between two samples of a verdict; 0: none are taken */
        char allow[FILTER_SETTING_ALLOW_MAX][FILTER_SETTING_PREFIX_MAX]; /* prefixes, as text */
        size_t n_allow;
} FilterSetting;

/* Shadow, the shipped model, half of at least 256 packets, a sample a second. */
FilterSetting filter_setting_default(void);

/* NULL: nothing is said of it. */
const FilterSetting *filter_setting_find(const FilterSetting *settings, size_t n,
                                         const char *interface);
