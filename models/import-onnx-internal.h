/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the ONNX importer's files share: the only ones that know protocol buffers. */

#include "onnx.pb-c.h"

#include "models/import-onnx.h"

/* Walks over the bytes of a message as protobuf-c will, without its recursion and its allocations,
 * and refuses what would make it use too much of either. `what` is for *e. Returns 0, -EINVAL or
 * -EFBIG. */
int onnx_scan(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t size,
              const char *what, Error *e);

/* what: "initializer 'w'" and the like. beside: NULL where the data have to be in it. Returns 0,
 * -EINVAL, -EFBIG, -ENOMEM or what beside->read() returns. */
int onnx_tensor(const Onnx__TensorProto *proto, const char *what, OnnxBeside *beside, Tensor **ret,
                Error *e);

/* ONNX's element type. Returns 0 or -EINVAL. */
int onnx_element_type(int32_t type, const char *what, ElementType *ret, Error *e);

/* Bytes as a string of their own. Returns 0, -EINVAL where they hold a NUL, or -ENOMEM. */
int onnx_string(const ProtobufCBinaryData *bytes, const char *what, char **ret, Error *e);

/* A name as texts and the graph have it: printable ASCII, other bytes are '?'; cut where it is too
 * long; NULL is "". */
typedef struct OnnxName {
        char text[128];
} OnnxName;

OnnxName onnx_name(const char *s);
