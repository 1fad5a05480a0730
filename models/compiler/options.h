/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The command line of aikm-compile: one set of options, of which each verb takes some. */

#include <stdio.h>

#include "models/compiler/frame.h"

typedef enum CompileVerb {
        COMPILE_VERB_COMPILE, /* no verb: MODEL -o OUT */
        COMPILE_VERB_INSPECT,
        COMPILE_VERB_VERIFY,
        COMPILE_VERB_BENCH,
        _COMPILE_VERB_COUNT
} CompileVerb;

typedef struct CommandOptions {
        CompileVerb verb;
        bool help;
        bool version;
        const char *model;
        const char *weights;
        const char *output;
        const char *features;
        const char *calibrate;
        const char *rows;
        const char *name;
        int precision; /* a Precision, or -1: auto */
        Target target;
        bool has_target;
        double agreement_min; /* NAN: the default */
        double threshold;     /* NAN: none */
        bool values;
        bool force;
        bool json;
        bool no_kernel;
        size_t runs;
} CommandOptions;

/* Returns 0, or -EINVAL with *e saying what is accepted. */
int command_options_parse(int argc, char *argv[], CommandOptions *ret, Error *e);
void command_options_print_help(FILE *f);
