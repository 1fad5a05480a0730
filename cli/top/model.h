/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What `top` shows, apart from how: the last answers of the daemon, order, filter, selection. Pure
 * but for memory; drawing is screen.h's, fetching top.c's.
 */

#include "cli/process.h"

typedef struct TopModel {
        json_object *status, *rows; /* owned; NULL: nothing fetched yet */
        ProcessList list;           /* of rows, filtered and sorted */
        const char *where;          /* host or machine, borrowed; NULL: this one */
        ProcessKey key;
        bool reverse, treated, all;
        char filter[64];
        uint32_t selected; /* pid; 0: none */
        size_t index;      /* where the selected one stands in list */
        char error[256];   /* why the last fetch failed; "" it did not */
} TopModel;

#define TOP_MODEL_INIT ((TopModel){.key = PROCESS_KEY_CPU})

void top_model_done(TopModel *m);

/* Takes both answers. 0 or -ENOMEM. */
int top_model_take(TopModel *m, json_object *status, json_object *rows);

/* Filters and sorts anew after a change of key, filter … The selection stays on its process, or on
 * its place where the process went. 0 or -ENOMEM. */
int top_model_update(TopModel *m);

void top_model_set_key(TopModel *m, ProcessKey key);

/* Moves the selection by delta rows within the list. */
void top_model_move(TopModel *m, long delta);

const Process *top_model_selected(const TopModel *m); /* NULL: the list is empty */

/* observe -> advise -> enforce -> observe. */
const char *top_model_next_mode(const TopModel *m);

enum { TOP_HEADER_LINES = 4 };

/* Line number line of the head, escaped. */
void top_model_header(const TopModel *m, int line, bool utf8, char *buffer, size_t size);
