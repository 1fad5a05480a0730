/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The verbs of aikm-record, each in its own file. argv[0] is the verb; they return an exit status.
 */

#include <getopt.h>

#include "util/error.h"
#include "util/macro.h"

#define EXIT_USAGE 2

int verb_run(int argc, char *argv[]);
int verb_info(int argc, char *argv[]);
int verb_export(int argc, char *argv[]);
int verb_label(int argc, char *argv[]);
int verb_prune(int argc, char *argv[]);
int verb_import(int argc, char *argv[]);

/* "aikm-record VERB: what", and how to get help. EXIT_USAGE. */
_printf_(2, 3) int usage_error(const char *verb, const char *format, ...);
/* The verb's end: tells the error where r is one; an exit status. */
int verb_finish(const char *verb, int r, const Error *e);
/* For --database where it is not given. */
const char *database_default(void);
