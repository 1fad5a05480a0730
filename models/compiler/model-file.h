/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A model's file as a graph: ONNX, or darknet's cfg and weights. */

#include "models/graph.h"

typedef struct ModelFile {
        char *path;
        char *weights; /* path of the second file; NULL: ONNX, all is in one */
        Graph *graph;
        char digest[65]; /* SHA-256 */
        char weights_digest[65];
} ModelFile;

#define MODEL_FILE_INIT ((ModelFile){.graph = NULL})

/* A path that ends in ".cfg" is darknet's; weights: NULL: the same with ".weights" in its place.
 * Returns 0 or -errno with *e naming the file. */
int model_file_read(ModelFile *m, const char *path, const char *weights, Error *e);
void model_file_done(ModelFile *m);
