/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How good predictions are: confusion matrix, accuracy, precision, recall, macro-F1. */

#include <json-c/json.h>
#include <stdio.h>

#include "policy/class.h"

/* count[truth][predicted], possibly weighted. */
typedef struct Confusion {
        double count[_CLASS_COUNT][_CLASS_COUNT];
} Confusion;

static inline void confusion_add(Confusion *c, LoadClass truth, LoadClass predicted,
                                 double weight) {
        c->count[truth][predicted] += weight;
}

/* Rows of a class; all where c is _CLASS_COUNT. */
double confusion_support(const Confusion *m, LoadClass c);
double confusion_accuracy(const Confusion *m);               /* 0 without rows */
double confusion_precision(const Confusion *m, LoadClass c); /* 0 where it was never predicted */
double confusion_recall(const Confusion *m, LoadClass c);    /* 0 without rows */
double confusion_f1(const Confusion *m, LoadClass c);
double confusion_macro_f1(const Confusion *m); /* mean F1 of the classes that have rows */

void confusion_print(const Confusion *m, const char *title, FILE *f);

/* {"rows", "accuracy", "macro_f1", "classes": {name: {"rows", "precision", "recall", "f1"}},
 * "confusion": {truth: {predicted: rows}}}; NULL: out of memory. */
json_object *confusion_to_json(const Confusion *m);
