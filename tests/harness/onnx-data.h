/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The ONNX project's backend tests as a folder tree: GROUP/test_NAME/model.onnx. */

#include "models/tensor.h"

typedef struct OnnxCase {
        char name[520];  /* "node/test_add" */
        char path[1024]; /* of its folder */
} OnnxCase;

/* Every folder below root that has a model.onnx, by name. Returns 0 or -errno. */
int onnx_cases_list(const char *root, OnnxCase **ret, size_t *ret_n);

/* A whole file of the case's folder. Returns 0 or -errno. */
int onnx_case_read(const OnnxCase *c, const char *file, void **ret, size_t *ret_size);
