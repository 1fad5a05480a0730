/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Tunables in the configuration: names from the table of tunables, a value for each and when it
 * holds. Not for use outside config*.c. */

#include "daemon/config-value.h"

/* Policy.tunables. The base that it is given is the Policy. */
extern const ConfigCodec codec_tunables;

/* The settings tunables.NAME=VALUE, tunables.NAME= (not set any more) and tunables.NAME.when=io.
 * Returns 0 or -errno with a message in c->e. */
int config_tunable_set(const ConfigContext *c, const char *key, Policy *p, const char *value);
