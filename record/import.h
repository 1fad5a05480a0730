/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What can come into a data set: another one, a recording, labels. Each comes whole or not at all.
 */

#include "record/store.h"

typedef struct Imported {
        uint64_t streams, ticks, labels;
} Imported;

/* Another data set. Streams and labels that are here already are left out. 0 or -errno. */
int import_database(Store *store, const char *path, Imported *ret, Error *e);

/* A recording of aikmd --record; labels: its labels file, NULL: none. */
int import_recording(Store *store, const char *path, const char *labels, Imported *ret, Error *e);

/* Lines of labels: CSV, whose first line names the columns. */
int import_labels(Store *store, const char *path, Imported *ret, Error *e);
