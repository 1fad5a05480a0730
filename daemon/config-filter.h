/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The traffic filter's interfaces in the configuration. Not for use outside config*.c. */

#include "daemon/config-value.h"

/* Policy.filters, and bool for "keep". The base that they are given is the Policy. */
extern const ConfigCodec codec_filters, codec_filter_on_stop;
