/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A label as it is made: by the verb label, or by a line of an imported file. */

#include "models/train/row-table.h"
#include "record/store.h"

typedef struct NewLabel {
        const char *load_class;           /* a class, or "none": neither taught nor judged */
        const char *program, *comm, *exe; /* NULL: not said */
        const char *by, *note;
        pid_t pid;            /* 0: any */
        int64_t since, until; /* INT64_MIN, INT64_MAX: open */
} NewLabel;

/* Whether it can be one. where: what messages begin with. 0 or -EINVAL with *e set. */
int label_check(const NewLabel *l, const char *where, Error *e);
/* Returns 0 or -errno with *e set. */
int label_insert(Store *store, const NewLabel *l, int64_t now, int64_t *ret_id, Error *e);
/* Who runs the program. */
void label_author(char *ret, size_t size);
