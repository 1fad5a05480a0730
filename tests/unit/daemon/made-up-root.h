/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Files of a root directory that a test makes up; failures end the test. */

#include <stdbool.h>

#include "util/macro.h"

/* A path below root; one of the last eight, each overwritten by the eighth after it. */
_printf_(2, 3) const char *root_path(const char *root, const char *format, ...);

void root_write(const char *path, const char *text);

/* Links count as themselves. */
bool root_exists(const char *path);
