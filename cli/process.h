/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The rows of Processes.List as `ps` and `top` show them: plain data, filtered and sorted by pure
 * functions.
 */

#include "cli/json.h"
#include "cli/table.h"

typedef struct Process {
        const json_object *row; /* borrowed: the strings lie there */
        uint32_t pid, uid;
        const char *comm, *load_class, *verdict; /* never NULL; "" unknown */
        /* Less than zero: unknown. */
        double confidence, cpu, delay, io, rss;
        bool treated, dormant;
} Process;

typedef enum ProcessKey {
        PROCESS_KEY_CPU,
        PROCESS_KEY_WAIT,
        PROCESS_KEY_IO,
        PROCESS_KEY_MEMORY,
        PROCESS_KEY_CLASS,
        PROCESS_KEY_PID,
        PROCESS_KEY_CONFIDENCE,
        PROCESS_KEY_NAME,
        _PROCESS_KEY_COUNT,
} ProcessKey;

/* "cpu", "wait" …; NULL beyond. */
const char *process_key_to_string(ProcessKey k);
int process_key_from_string(const char *name); /* -EINVAL */

/* The load classes by name, in the model's order; NULL beyond. */
const char *process_class_name(size_t i);

typedef struct ProcessFilter {
        const char *load_class; /* NULL: any */
        const char *name;       /* part of comm or of the unit, case ignored; NULL: any */
        bool treated;           /* only those */
        bool dormant;           /* those as well */
} ProcessFilter;

typedef struct ProcessList {
        Process *processes;
        size_t n;
        size_t n_hidden; /* dormant ones that only the filter's dormant kept away */
} ProcessList;

/* rows: the array of client_get_processes(), which must outlive the list. 0 or -ENOMEM. */
int process_list_init(ProcessList *l, const json_object *rows, const ProcessFilter *filter);
void process_list_done(ProcessList *l);

/* Busiest first (names, classes and pids: ascending); reverse turns it round; equals by pid. */
void process_list_sort(ProcessList *l, ProcessKey key, bool reverse);

/* A table of the first n processes (0: all). numeric: as for process_user(). NULL: out of memory.
 */
Table *process_list_table(const ProcessList *l, size_t n, bool numeric, bool utf8);

/* The name of a user, or the number, which numeric asks for: the users of another system are not
 * ours. The string is in the caller's buffer; NULL: unknown. */
const char *process_user(uint32_t uid, bool numeric, char *buffer, size_t size);
