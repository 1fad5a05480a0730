/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The traffic filter around a tree of depth 10: what its speed is measured with. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tests/harness/filter/tree-10.h"

#define FILTER_FIELDS(X) TREE_10_FIELDS(X)
#define FILTER_OUTPUTS TREE_10_OUTPUTS
#define FILTER_SCRATCH struct tree_10_scratch
#define FILTER_RUN tree_10_run
#include "collectors/bpf/filter-shell.h"
