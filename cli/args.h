/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The command line of one verb, declared as data: parsing, help text and the completions' facts
 * come from the same table.
 */

#include "cli/context.h"

typedef struct Option {
        char letter;      /* 0: none */
        const char *name; /* without the dashes; NULL ends a table */
        const char *arg;  /* name of its argument, NULL: a switch */
        const char *help;
} Option;

#define ARGS_OPTIONS_MAX 16

typedef struct Verb {
        const char *name;
        const char *args; /* of the usage line: "PID", "[observe|advise|enforce]" */
        const char *summary;
        const Option *options; /* of its own beside the global ones; NULL: none */
        size_t min_args, max_args;
        int (*run)(Context *c, int argc, char **argv); /* argv[0] is the verb; an exit status */
        const char *details; /* printed at the end of its help; may be NULL */
        bool local;          /* acts on this machine itself: refuses --host and --machine */
} Verb;

typedef struct Args {
        const char *value[ARGS_OPTIONS_MAX]; /* by index in Verb.options; NULL: not given; "" for a
                                                switch */
        char **positional;                   /* points into argv, which is reordered */
        size_t n_positional;
} Args;

/* --host, --machine, --json, --no-color … */
extern const Option args_global_options[];

typedef enum ArgsOutcome {
        ARGS_GO,      /* run */
        ARGS_HELP,    /* --help was given */
        ARGS_VERSION, /* --version was given */
} ArgsOutcome;

/*
 * Parses argv[1..argc). Options and arguments may be mixed, "--" ends the options; stop_early: the
 * first argument ends them too (the global part before the verb). Global switches are put into c.
 * Returns an ArgsOutcome, or -EINVAL with *e saying what is accepted.
 */
typedef struct Error Error;
int args_parse(Context *c, const Verb *v, bool stop_early, int argc, char **argv, Args *ret,
               Error *e);

/* The whole of a verb's beginning: parse, print help or the complaint. Returns true where the verb
 * should go on; otherwise *ret_status is what to return. */
bool args_begin(Context *c, const Verb *v, int argc, char **argv, Args *ret, int *ret_status);

void args_print_help(const Verb *v, FILE *f);
void args_print_options(const Option *options, FILE *f);

/* The name nearest to word by edit distance, NULL where none is near. next() yields names until
 * NULL. */
const char *args_nearest(const char *word, const char *(*next)(const void *table, size_t i),
                         const void *table);
