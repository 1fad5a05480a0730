/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traffic filter around a model that asks for every field. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tests/harness/filter/all-fields.h"

#define PLAIN(id, ...) WANTED(id)
#define FILTER_FIELDS(X) PACKET_FIELDS(PLAIN)
#define WANTED X
#define FILTER_OUTPUTS ALL_FIELDS_OUTPUTS
#define FILTER_SCRATCH struct all_fields_scratch
#define FILTER_RUN all_fields_run
#include "collectors/bpf/filter-shell.h"
