/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* aikmd's command line and environment as plain data. */

#include "collectors/collector.h"
#include "daemon/settings.h"
#include "util/error.h"

typedef enum Task {
        TASK_RUN,
        TASK_REPLAY,
        TASK_RESTORE,
        TASK_CHECK_CONFIG,
        TASK_HELP,
        TASK_VERSION,
} Task;

typedef struct Options {
        Task task;
        const char **config_dirs; /* NULL-terminated; NULL: the standard folders */
        size_t n_config_dirs;
        Settings settings; /* --set, --mode, --model, --interval, in order */
        char runtime_dir[256];
        char state_dir[264];     /* made when something is first written to it */
        char filter_dir[96];     /* on a bpffs: where filters are pinned */
        const char *cgroup_name; /* NULL: the executor's own default */
        const char *recording;   /* --record's or --replay's file */
        char **files;            /* --check-config's: these instead of the folders */
        size_t n_files;
        const char *bus_address; /* NULL: the system bus */
        CollectorChoice collector;
        bool no_bus;
        bool restore_after_failure;
        bool restore_not_needed; /* --restore=after-failure, and there was none */
} Options;

#define OPTIONS_INIT ((Options){.settings = SETTINGS_INIT})

/* Strings point into argv and the environment. Returns 0, or -EINVAL or -ENOMEM with *e set. */
int options_parse(int argc, char *argv[], Options *o, Error *e);
void options_done(Options *o);

/* What --help prints. */
void options_print_help(FILE *f);
