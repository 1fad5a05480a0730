/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Graphs as ONNX files: what an exporter would write, for tests of what reads them. */

#include "models/graph.h"

/* Constants of float32 and int64, inputs of float32 with a shape, attributes but tensors. Returns
 * 0, -EINVAL for anything else, or -ENOMEM. */
int onnx_write(const Graph *g, void **ret, size_t *ret_size);

/* Makes the darknet model of the manifest at path an ONNX model: writes NAME.onnx, and a manifest
 * that names it, into dir, which is made. Returns 0 or -errno. */
int onnx_write_model(const char *path, const char *dir, const char *name);
