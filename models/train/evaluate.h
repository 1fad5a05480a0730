/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A model judged on rows: over all, and program by program. */

#include "models/model.h"
#include "models/train/judge.h"
#include "models/train/row-table.h"

typedef struct ProgramScore {
        char program[PROGRAM_NAME_MAX];
        Confusion confusion;
} ProgramScore;

typedef struct Evaluation {
        Confusion confusion;
        ProgramScore *programs; /* in the order of their names */
        size_t n_programs;
} Evaluation;

#define EVALUATION_INIT ((Evaluation){.programs = NULL})

void evaluation_done(Evaluation *e);

/* Returns 0 or -ENOMEM. */
int evaluate_model(Model *m, const RowTable *t, Evaluation *ret);

/* Mean over programs of each one's accuracy: no program counts more for having more processes. */
double evaluation_program_accuracy(const Evaluation *e);

void evaluation_print(const Evaluation *e, const char *title, FILE *f);

/* A line per program: rows by class, accuracy of both, what `of` takes it for instead. */
void evaluation_print_programs(const Evaluation *of, const Evaluation *baseline, FILE *f);

/* confusion_to_json() with "program_accuracy" and "programs": {name: {"rows", "accuracy"}}. */
json_object *evaluation_to_json(const Evaluation *e);
