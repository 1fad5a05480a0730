/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What every verb but inspect begins with: model, features and rows read, the program made. */

#include "models/compiler/compile.h"
#include "models/compiler/feature-spec.h"
#include "models/compiler/model-file.h"
#include "models/compiler/options.h"
#include "models/compiler/row-file.h"

typedef struct Job {
        ModelFile model;
        RowFile rows;        /* --rows; without, --calibrate's, or none */
        RowFile calibration; /* --calibrate; without, empty: rows calibrate */
        CompileOptions compile;
        CalibrationRows calibration_rows;
        size_t n_fields;
        char **names;            /* of the fields: C identifiers */
        FeatureSpec *spec;       /* NULL: none */
        const char **packet_ids; /* of the feature spec; NULL: not packet fields */
        Target target;           /* --target, else the spec's, else func */
        char *program_name;
        Program *program;
        CompileReport report;
} Job;

#define JOB_INIT ((Job){.n_fields = 0})

/* Returns 0 or -errno with *e. */
int job_compile(Job *j, const CommandOptions *o, Error *e);
void job_done(Job *j);

/* What agreement is asked for: 1 where the program never rounds, else the options', else 0.995. */
double job_agreement_min(const Job *j, const CommandOptions *o);
/* Of the program's own precision on held-out rows; NAN: not measured. */
double job_agreement(const Job *j);
