/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a build folder holds goes beside OUT: all of it or nothing. */

#include "models/compiler/build.h"

/* The ends of what is made, in the build folder and beside OUT; what is not made for a target is
 * not there. */
#define PUBLISH_ENDS_MAX 5
extern const char *const publish_ends[PUBLISH_ENDS_MAX];

/* Before any work: refuses an OUT that names no file, and one of whose files is a folder. Returns
 * 0, -EINVAL or -ENOMEM with *e. */
int publish_check(const char *out, Error *e);

/* Copies folder/NAME.* to OUT.*. What was there before stays where a copy fails. Returns 0, or
 * -errno with *e naming the file. */
int publish(const BuildFolder *folder, const char *name, const char *out, Error *e);
