/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* KEY=VALUE settings that lie over the configuration files: those of the command line, and those
 * that came over the bus. The last value of a key counts. */

#include "policy/policy.h"
#include "util/error.h"

typedef struct Setting {
        char *key;
        char *value;
} Setting;

typedef struct Settings {
        Setting *items;
        size_t n;
} Settings;

#define SETTINGS_INIT ((Settings){.items = NULL})

void settings_done(Settings *s);

/* Copies both; an earlier value of the key is dropped. Returns 0 or -ENOMEM. */
int settings_put(Settings *s, const char *key, const char *value);

/* Nothing where the key is not there. */
void settings_drop(Settings *s, const char *key);

/* Splits "KEY=VALUE" and puts it. Returns 0, -EINVAL or -ENOMEM, with *e set. */
int settings_put_text(Settings *s, const char *text, Error *e);

/* Applies all in order; on failure p may be half changed: work on a copy. 0 or -errno with *e set.
 */
int settings_apply(const Settings *s, Policy *p, Error *e);
