/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* json-c's objects as owning locals of the daemon. */

#include <json-c/json.h>

#include "util/macro.h"

static inline void json_putp(json_object **o) {
        json_object_put(*o);
}

#define _cleanup_json_ _cleanup_(json_putp)
