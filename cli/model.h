/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Parts of `aikmctl model`. Each returns an exit status and prints what went wrong. */

#include <errno.h>

#include "cli/args.h"
#include "cli/client.h"

enum ModelOption {
        MODEL_OPTION_FORCE,
        MODEL_OPTION_DATA,
        MODEL_OPTION_NAME,
        MODEL_OPTION_SPLIT,
        MODEL_OPTION_SEED,
        MODEL_OPTION_EPOCHS,
        MODEL_OPTION_OUTPUT,
        MODEL_OPTION_INSTALL,
        MODEL_OPTION_USE,
        MODEL_OPTION_IDLE,
        MODEL_OPTION_LIMIT,
        _MODEL_OPTION_COUNT,
};

/* A model's files as memory files that nobody can change any more. */
typedef struct ModelBundle {
        int fds[4]; /* manifest, cfg, weights or ONNX model, validation rows */
} ModelBundle;

#define MODEL_BUNDLE_INIT ((ModelBundle){.fds = {-EBADF, -EBADF, -EBADF, -EBADF}})

/* The path of a manifest, or of the one in a folder. Returns 0 or -errno with *e set. */
int model_find_manifest(const char *path, char *ret, size_t size, Error *e);

/* A plain file of at most 64 MiB. Returns 0 or -errno with *e set. */
int model_read_file(int dir_fd, const char *name, char **ret, size_t *ret_size, Error *e);
/* A memory file that nobody can change any more, or -errno. */
int model_sealed_file(const char *data, size_t size);

void model_bundle_done(ModelBundle *b);
/* path: of a manifest, or of a folder with one in it. Returns 0 or -errno with *e set. */
int model_bundle_read(const char *path, ModelBundle *ret, Error *e);
/* ret: what the daemon answers. Returns an exit status. */
int model_bundle_install(Context *c, const ModelBundle *b, bool force, json_object **ret, Error *e);

/* Calls a method of org.aikm1.Models with a name and a flag as its types say. Returns an exit
 * status. */
int model_call(Context *c, const char *method, bool rows, json_object **ret, Error *e,
               const char *types, const char *name, int force);

/* What lies at path, a manifest or a folder with one in it, by aikm-darknet. */
int model_verify_path(Context *c, const char *path);

int model_train(Context *c, const Args *args);
/* argv[0] is "compile"; what follows is aikm-compile's. Returns only where it cannot be run. */
int model_compile(Context *c, int argc, char **argv);
int model_tune(Context *c, const Args *args);

/* Name, macro-F1 and what it was held against, on stdout. */
void model_print_verdict(const json_object *verdict, const char *what);
