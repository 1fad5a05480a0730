/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a model's program becomes: frame.h says what each is. */

typedef enum Target { TARGET_ROWS, TARGET_FUNC, TARGET_XDP, TARGET_TC, _TARGET_COUNT } Target;

const char *target_name(Target t);
/* -EINVAL for another name. */
int target_from_name(const char *name);
