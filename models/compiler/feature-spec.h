/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Which fields a model takes, in the order of its inputs.
 *
 *   { "name": "flood", "target": "xdp",
 *     "fields": [ "tcp_syn", { "name": "ip_length", "low": 20, "high": 1500 } ] }
 *
 * target may be left out: xdp, tc or func. Fields are those of one table, packet fields
 * (packet-fields.h) or features of processes (feature-table.h), each at most once; low and high are
 * whole numbers within the field's own range, which they are where they are left out. Other keys
 * are refused.
 */

#include "models/compiler/program.h"
#include "models/compiler/target.h"

typedef enum FieldTable { FIELD_TABLE_PACKET, FIELD_TABLE_PROCESS } FieldTable;

typedef struct FeatureSpec {
        char name[64]; /* a C identifier */
        Target target; /* never TARGET_ROWS */
        bool has_target;
        FieldTable table;
        size_t n_fields;
        int fields[PROGRAM_FIELDS_MAX]; /* indices into the table */
        Interval ranges[PROGRAM_FIELDS_MAX];
} FeatureSpec;

#define FEATURE_SPEC_SIZE_MAX ((size_t)1024 * 1024)

/* text: of size bytes. Returns 0, -EINVAL with *e naming line, key or field and what is accepted,
 * or -ENOMEM. */
int feature_spec_parse(const char *text, size_t size, FeatureSpec *ret, Error *e);

/* The field's name, as in CSV headers. */
const char *feature_spec_field_name(const FeatureSpec *spec, size_t i);

/* Returns 0, or -EINVAL with both numbers in *e. */
int feature_spec_check_width(const FeatureSpec *spec, size_t model_inputs, Error *e);
