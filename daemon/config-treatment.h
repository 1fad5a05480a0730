/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Treatments in the configuration: what "classes.batch" and a rule's "treatment" may hold. Not for
 * use outside config*.c. */

#include "daemon/config-value.h"

extern const ConfigField config_treatment_fields[];

/* A Treatment as a whole; null for none. */
extern const ConfigCodec codec_treatment;
