/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A folder of a test's own, for its teardown to remove with all that is in it. */

#include <ftw.h>
#include <stdio.h>

#include "util/macro.h"

static inline int folder_remove_entry(const char *path, _unused_ const struct stat *st,
                                      _unused_ int kind, _unused_ struct FTW *at) {
        return remove(path);
}

/* Links are removed, not followed. Returns 0 or -1. */
static inline int folder_remove(const char *path) {
        return nftw(path, folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
