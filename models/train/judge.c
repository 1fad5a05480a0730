/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>

#include "models/train/judge.h"

double confusion_support(const Confusion *m, LoadClass c) {
        double sum = 0;

        for (size_t t = 0; t < _CLASS_COUNT; t++)
                for (size_t p = 0; p < _CLASS_COUNT; p++)
                        if (c == _CLASS_COUNT || t == (size_t)c)
                                sum += m->count[t][p];
        return sum;
}

double confusion_accuracy(const Confusion *m) {
        double hits = 0, sum = confusion_support(m, _CLASS_COUNT);

        for (size_t c = 0; c < _CLASS_COUNT; c++)
                hits += m->count[c][c];
        return sum > 0 ? hits / sum : 0;
}

double confusion_precision(const Confusion *m, LoadClass c) {
        double sum = 0;

        for (size_t t = 0; t < _CLASS_COUNT; t++)
                sum += m->count[t][c];
        return sum > 0 ? m->count[c][c] / sum : 0;
}

double confusion_recall(const Confusion *m, LoadClass c) {
        double sum = confusion_support(m, c);

        return sum > 0 ? m->count[c][c] / sum : 0;
}

double confusion_f1(const Confusion *m, LoadClass c) {
        double p = confusion_precision(m, c), r = confusion_recall(m, c);

        return p + r > 0 ? 2 * p * r / (p + r) : 0;
}

double confusion_macro_f1(const Confusion *m) {
        double sum = 0;
        size_t n = 0;

        for (size_t c = 0; c < _CLASS_COUNT; c++) {
                if (!(confusion_support(m, (LoadClass)c) > 0))
                        continue;
                sum += confusion_f1(m, (LoadClass)c);
                n++;
        }
        return n > 0 ? sum / (double)n : 0;
}

void confusion_print(const Confusion *m, const char *title, FILE *f) {
        fprintf(f, "%s: %.0f rows, accuracy %.3f, macro-F1 %.3f\n", title,
                confusion_support(m, _CLASS_COUNT), confusion_accuracy(m), confusion_macro_f1(m));
        fprintf(f, "  %-12s", "truth");
        for (size_t p = 0; p < _CLASS_COUNT; p++)
                fprintf(f, "%12s", class_to_string((LoadClass)p));
        fprintf(f, "%11s%9s%7s\n", "precision", "recall", "F1");
        for (size_t t = 0; t < _CLASS_COUNT; t++) {
                fprintf(f, "  %-12s", class_to_string((LoadClass)t));
                for (size_t p = 0; p < _CLASS_COUNT; p++)
                        fprintf(f, "%12.0f", m->count[t][p]);
                fprintf(f, "%11.3f%9.3f%7.3f\n", confusion_precision(m, (LoadClass)t),
                        confusion_recall(m, (LoadClass)t), confusion_f1(m, (LoadClass)t));
        }
}

static json_object *number(double d) {
        /* Four decimals are what the figures are worth. */
        char text[32];

        snprintf(text, sizeof(text), "%.4f", d);
        return json_object_new_double_s(d, text);
}

json_object *confusion_to_json(const Confusion *m) {
        json_object *o = json_object_new_object(), *classes = json_object_new_object(),
                    *matrix = json_object_new_object();

        json_object_object_add(o, "rows",
                               json_object_new_int64(llround(confusion_support(m, _CLASS_COUNT))));
        json_object_object_add(o, "accuracy", number(confusion_accuracy(m)));
        json_object_object_add(o, "macro_f1", number(confusion_macro_f1(m)));
        for (size_t t = 0; t < _CLASS_COUNT; t++) {
                LoadClass c = (LoadClass)t;
                json_object *figures = json_object_new_object(), *line = json_object_new_object();

                json_object_object_add(figures, "rows",
                                       json_object_new_int64(llround(confusion_support(m, c))));
                json_object_object_add(figures, "precision", number(confusion_precision(m, c)));
                json_object_object_add(figures, "recall", number(confusion_recall(m, c)));
                json_object_object_add(figures, "f1", number(confusion_f1(m, c)));
                json_object_object_add(classes, class_to_string(c), figures);
                for (size_t p = 0; p < _CLASS_COUNT; p++)
                        json_object_object_add(line, class_to_string((LoadClass)p),
                                               json_object_new_int64(llround(m->count[t][p])));
                json_object_object_add(matrix, class_to_string(c), line);
        }
        json_object_object_add(o, "classes", classes);
        json_object_object_add(o, "confusion", matrix);
        return o;
}
