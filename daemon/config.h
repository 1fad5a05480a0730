/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * JSON configuration to a Policy and back. Files are read in the order /usr/lib/aikmd < /run/aikmd
 * < /etc/aikmd (aikmd.json of each, then policy.d/ *.json sorted by name over all folders, a file
 * of the same name in a later folder replacing the earlier), then runtime settings. A key in a
 * later file overrides, a class's treatment as a whole; rules are appended, and the first match
 * counts. The whole is checked before any of it takes effect; unknown keys, wrong types (-EINVAL)
 * and values out of range (-ERANGE) are errors that name file, line where known, key and what is
 * accepted. Below the real "/" every file and its folder must be root's and writable by root alone
 * (-EPERM).
 */

#include "policy/policy.h"
#include "util/error.h"

/* The largest file that is read. */
#define CONFIG_SIZE_MAX ((size_t)1024 * 1024)

/* Where etc/meson.build installs to; a build with another prefix may say so. */
#ifndef AIKM_LIB_DIR
#define AIKM_LIB_DIR "/usr/lib/aikmd"
#endif

/*
 * root_fd: as io_root_open(). dirs: NULL for the three standard folders, or a NULL-terminated list
 * of absolute paths below the root. Returns 0 and a complete Policy (defaults where nothing is
 * said, model "default"), which *ret must not yet hold, or -errno with *e set and *ret untouched.
 */
int config_load(int root_fd, const char *const *dirs, Policy *ret, Error *e);

/* Applies one JSON document to p; name: for messages and rule origins. On failure p is as it was.
 */
int config_apply_json(Policy *p, const char *json, size_t size, const char *name, Error *e);

/* One "KEY=VALUE" as `policy set` takes it: mode=enforce, scope=tree:12,uid:1000, interval=1s,
 * thresholds.confidence=0.8, classes.batch.nice=10, tunables.vm.swappiness=10,
 * tunables.vm.swappiness.when=io … An empty value unsets a treatment, a part of one, a tunable or
 * the scope. On failure p is as it was. */
int config_apply_setting(Policy *p, const char *key, const char *value, Error *e);

/* All keys with their present values: a JSON object, newly allocated; config_apply_json() of it to
 * a policy_init_default() gives the same policy. NULL: out of memory. */
char *config_to_json(const Policy *p);
