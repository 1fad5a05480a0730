/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The models of the traffic filter on disk: NAME.bpf.o, as `aikm-compile --target xdp` makes it,
 * and beside it NAME.json, its sheet, in the folder of the shipped models or in STATE/filters. Of
 * the sheet "classes" (names; without them the labels that the model has) and "malicious" (those of
 * them that are) are read here; without the latter every class but the first is, and one that is
 * called benign may not be among these. Whether the object is any good is the loader's and the
 * kernel's matter.
 */

#include "collectors/filter.h"
#include "policy/filter.h"

#define FILTER_CLASS_NAME_MAX 32
#define FILTER_OBJECT_SIZE_MAX ((size_t)4 * 1024 * 1024)
#define FILTER_SHEET_SIZE_MAX ((size_t)1024 * 1024)

typedef struct FilterFile {
        char name[FILTER_MODEL_MAX]; /* that it was asked for by */
        char *data;
        size_t size;
        uint64_t identity; /* of the bytes and what is malicious */
        uint64_t malicious;
        char classes[FILTER_CLASSES][FILTER_CLASS_NAME_MAX];
        size_t n_classes; /* 0: they have no names */
} FilterFile;

#define FILTER_FILE_INIT ((FilterFile){.name = ""})

void filter_file_done(FilterFile *f);

/* From bytes, which are taken over, also where it fails. sheet: NULL: there is none. Returns 0, or
 * -EINVAL for the sheet, with *e set. */
int filter_file_init(const char *name, char *data, size_t size, const char *sheet, FilterFile *ret,
                     Error *e);

typedef struct FilterFolders {
        const char *shipped;
        const char *state; /* the state directory */
} FilterFolders;

/* A name, or an absolute path. Returns 0, -ENOENT where there is no such model, or -errno, with *e
 * set. */
int filter_file_read(const FilterFolders *in, const char *model, FilterFile *ret, Error *e);

/* The named model with that identity, as one that was attached before this process began. Returns
 * 0, -ENOENT where none has it, or -errno. */
int filter_file_find(const FilterFolders *in, uint64_t identity, FilterFile *ret);

/* What the loader takes; borrows from f. */
FilterModel filter_file_model(const FilterFile *f);

/* "" where the class has no name. */
const char *filter_file_class(const FilterFile *f, uint32_t class);
