/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A model's manifest: JSON beside the model's files that names them with their sha256, and says
 * what the rows mean (schema hash, mean and deviation of each feature), the classes, and how the
 * model was trained and judged.
 *
 * {"name", "version", "description", "schema": "0x…", "classes": […], "horizon_seconds", "cfg":
 * {"file","sha256"}, "weights": {"file","sha256"}, "features": [{"name","mean","deviation"} …],
 * "training": {… free …}}, and "validation": {"file","sha256","macro_f1"} where there are rows
 * to judge it by.
 *
 * Of an ONNX model there is "onnx": {"file","sha256","output","logits"} in place of cfg and
 * weights, the last two optional. Its features may be some of the table's, in any order, and none
 * need have mean and deviation (all or none); its classes may be in any order.
 */

#include "models/model.h"
#include "util/error.h"

typedef struct ManifestFile {
        char file[128]; /* plain name in the manifest's folder */
        char sha256[65];
} ManifestFile;

typedef enum ModelFormat {
        MODEL_FORMAT_DARKNET,
        MODEL_FORMAT_ONNX,
        _MODEL_FORMAT_COUNT,
} ModelFormat;

/* "darknet", "onnx". */
const char *model_format_to_string(ModelFormat f);

typedef struct Manifest {
        char name[64];
        char version[32];
        uint64_t schema;
        ModelFormat format;
        ManifestFile cfg;     /* darknet's; file "" where it is ONNX */
        ManifestFile weights; /* darknet's, or all of an ONNX model */
        char output[64];      /* ONNX: the one with the classes; "": the only such one */
        bool logits;          /* ONNX: that are no probabilities yet */
        size_t n_features;
        size_t feature[FEATURE_COUNT];   /* of each column that the model takes */
        LoadClass classes[_CLASS_COUNT]; /* of each column that it gives */
        ManifestFile validation; /* labelled rows that did not teach it; file "": there are none */
        double validation_f1;    /* macro-F1 on them, as its maker says */
        bool standardised;       /* else the model takes rows as they are: */
        float mean[FEATURE_COUNT];      /* 0, */
        float deviation[FEATURE_COUNT]; /* and 1; > 0; by feature, as rows have them */
} Manifest;

/* Reads and checks a manifest, digests of the files included. path: of the manifest. Returns 0 or
 * -errno with *e naming file and reason. */
int manifest_load(const char *path, Manifest *ret, Error *e);

/* The manifest alone, whatever becomes of the files that it names. */
int manifest_read(const char *path, Manifest *ret, Error *e);

/* The validation rows as the file has them, NUL behind it, digest checked. Returns 0, -ENODATA
 * where the manifest names none, or -errno with *e set. */
int manifest_read_validation(const char *path, const Manifest *m, char **ret, size_t *ret_size,
                             Error *e);

/* Manifest and files to a ready model. Returns 0 or -errno with *e set. */
int manifest_load_model(const char *path, Model **ret, Error *e);

/* sha256 of a file in hex. Returns 0 or -errno. */
int manifest_digest_file(const char *path, char ret_hex[65]);
