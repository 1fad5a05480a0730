/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A graph that predicts classes, as a Model: which features its columns are, which of its outputs
 * has the classes, and how much work a row may be. All of it is tried once, on made-up rows, before
 * there is a model.
 */

#include "models/graph.h"
#include "models/model.h"

/* Work of a row as graph_run() counts it, and what each node counts beside. Ten times what the
 * network that comes along needs: some thousand rows stay a matter of a second, whatever the file
 * says. */
#define GRAPH_MODEL_ROW_WORK (UINT64_C(1) << 17)
#define GRAPH_MODEL_NODE_WORK UINT64_C(64)

typedef struct GraphModelSpec {
        const char *name, *version, *digest; /* as in Model */
        size_t n_features;                   /* 1 … FEATURE_COUNT */
        const size_t *feature;               /* of each column of the input */
        /* FEATURE_COUNT each, by feature: finite, deviation > 0, and rows are cut as a network's
         * are. NULL: the graph takes them as they are. */
        const float *mean, *deviation;
        const LoadClass *classes; /* of each column of the output: _CLASS_COUNT, each once */
        const char *output; /* of the graph; NULL or "": the one that has a number for each class */
        bool logits;        /* not probabilities: softmax makes them such */
} GraphModelSpec;

/*
 * Takes over the graph where it succeeds. Wanted: one input of n rows of n_features floats, n of
 * any number or fixed up to 64; outputs that go by the row alone; labels, where the graph has some,
 * that are the classes' names or 0 … 5, in the order of spec->classes. Returns 0, -EINVAL (*e says
 * what does not fit), -EFBIG (too much work), what graph_run() returns, or -ENOMEM.
 *
 * It allocates while it predicts. Where the graph fails on a row, or what it gives is no
 * probability, every class is equally probable.
 */
int graph_model_new(const GraphModelSpec *spec, Graph *g, Model **ret, Error *e);
