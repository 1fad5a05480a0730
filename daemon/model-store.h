/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The models of a machine by name: those that are shipped, read-only, and those that were
 * installed, each in a folder of its own below STATE/models. An installed model is never changed,
 * so that going back to it is going back to the same bytes. STATE/models.json says which one was
 * chosen, and which ones before it. Folders come and go by rename, the file too: a crash leaves the
 * old state or the new one. No system but the file system; whether a model is any good is
 * verify.h's.
 */

#include "models/manifest.h"

#define MODEL_NAME_MAX 64 /* with NUL */
#define MODEL_STORE_MAX ((size_t)32)
#define MODEL_HISTORY_MAX ((size_t)8)
#define MODEL_DEFAULT "default" /* of the shipped ones */
#define MODEL_RULES "rules"

typedef enum ModelSource {
        MODEL_SOURCE_BUILT_IN, /* the rules */
        MODEL_SOURCE_SHIPPED,
        MODEL_SOURCE_INSTALLED,
        _MODEL_SOURCE_COUNT,
} ModelSource;

const char *model_source_to_string(ModelSource s);

/* Letters, digits and "._+-", beginning with a letter or digit, not ending in ".json", shorter
 * than MODEL_NAME_MAX. */
bool model_name_is_valid(const char *name);

typedef struct ModelStore ModelStore;

/* Neither folder has to be there. What a crash left half done is removed. A state file that cannot
 * be read counts as none, and *e says why, though 0 is returned. Returns 0 or -ENOMEM. */
int model_store_open(const char *state_dir, const char *shipped_dir, ModelStore **ret, Error *e);
ModelStore *model_store_free(ModelStore *s);
DEFINE_CLEANUP(ModelStore *, model_store_free);

/* The path of a model's manifest, "" for the rules. Returns 0, -EINVAL (no name) or -ENOENT, with
 * *e set. */
int model_store_find(const ModelStore *s, const char *name, char *ret_path, size_t size,
                     ModelSource *ret_source, Error *e);

typedef struct ModelEntry {
        char name[MODEL_NAME_MAX];
        ModelSource source;
} ModelEntry;

/* The rules, the shipped, the installed ones by name. Returns 0 or -errno. */
int model_store_list(const ModelStore *s, ModelEntry **ret, size_t *ret_n);

/* What was chosen: a name, "" where nothing was. */
const char *model_store_current(const ModelStore *s);
/* What rollback goes back to; NULL: nowhere. "" is what it was before anything was chosen. */
const char *model_store_previous(const ModelStore *s);

/* Writes the state file, and only then forgets the old state. choose: the name may be "". rollback
 * needs model_store_previous(). Return 0 or -errno with *e set. */
int model_store_choose(ModelStore *s, const char *name, Error *e);
int model_store_rollback(ModelStore *s, Error *e);

/* The bytes of a model's files. */
typedef struct ModelFile {
        const char *data;
        size_t size;
} ModelFile;

typedef struct ModelFiles {
        /* cfg and validation: size 0 where there is none; weights: or the ONNX model */
        ModelFile manifest, cfg, weights, validation;
} ModelFiles;

/* A model on the way into the store: its folder is not among the models yet. */
typedef struct ModelStaged {
        char name[MODEL_NAME_MAX];
        char path[512]; /* of the manifest */
} ModelStaged;

/* Writes the files under the names that the manifest has for them. Refused: a name that is taken or
 * none, files whose names are one, a store that is full. Returns 0 or -errno with *e set. One at a
 * time: an earlier one that was not committed is dropped. */
int model_store_stage(ModelStore *s, const ModelFiles *files, ModelStaged *ret, Error *e);
int model_store_commit(ModelStore *s, const ModelStaged *staged, Error *e);
void model_store_drop_staged(ModelStore *s);

/* An installed one that is not chosen; out of the history too. Returns 0 or -errno with *e set. */
int model_store_remove(ModelStore *s, const char *name, Error *e);
