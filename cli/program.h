/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Where the other programs of aikmd lie. */

#include <stddef.h>

/* The environment's variable names it, else it lies in one of the places, seen from aikmctl's own
 * folder. ret: its path. Returns 0, -ENOENT where it lies nowhere, or -errno. */
int program_find(const char *variable, const char *const *places, size_t n_places, char *ret,
                 size_t size);
