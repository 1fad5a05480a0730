/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ONNX importer of a build without protoc-c or onnx.proto: it says so. */
#include <errno.h>

#include "models/import-onnx.h"

int import_onnx(const void *data, size_t size, Graph **ret, Error *e) {
        return error_set(e, -EOPNOTSUPP, "this build cannot read ONNX models");
}

int import_onnx_beside(const void *data, size_t size, OnnxBeside *beside, Graph **ret, Error *e) {
        return import_onnx(data, size, ret, e);
}

int import_onnx_tensor(const void *data, size_t size, Tensor **ret, Error *e) {
        return error_set(e, -EOPNOTSUPP, "this build cannot read ONNX models");
}
