/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * ONNX's ModelProto to a Graph, after full validation: nothing here trusts the file.
 *
 * Refused by name: an operator that operator.h does not have (operator, node, opset), an opset
 * newer than is known, subgraphs, sparse initializers, sequences and maps as inputs.
 * ONNX files that no model of ours can have, such as ones with 2^40 elements, never cause an
 * allocation.
 */

#include "models/graph.h"

/* The newest opsets that are known: those of ONNX 1.17. */
#define ONNX_OPSET_MAX 22
#define ONNX_OPSET_ML_MAX 5
#define ONNX_IR_MAX 13 /* of the format itself: ONNX 1.22 */
#define ONNX_FILE_MAX ((size_t)256 * 1024 * 1024)

/* data: the file's bytes. Initializers that are inputs, too, are constants. An output's declared
 * type is not looked at (ZipMap gives a tensor here). Names are cut to printable ASCII. All has to
 * be in that one file. Returns 0, -EINVAL (refused, *e says why), -EFBIG or -ENOMEM. */
int import_onnx(const void *data, size_t size, Graph **ret, Error *e);

/* The file that initializers may have their data in, of which the model knows a plain name in its
 * own folder. read() gives its bytes, which stay where they are until the import ends; the same
 * errors. */
typedef struct OnnxBeside {
        int (*read)(void *userdata, const char *name, const void **ret, size_t *ret_size, Error *e);
        void *userdata;
        size_t used; /* by initializers, which may be ONNX_FILE_MAX bytes */
} OnnxBeside;
int import_onnx_beside(const void *data, size_t size, OnnxBeside *beside, Graph **ret, Error *e);

/* A TensorProto alone, as the ONNX project's test data has them. The same errors. */
int import_onnx_tensor(const void *data, size_t size, Tensor **ret, Error *e);
