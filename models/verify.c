/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/verify.h"

#include "models/train/dataset.h"
#include "models/train/judge.h"

#define BLOCK ((size_t)64)
/* Between our engine and what made the model: a row or two that fall the other way. */
#define AGREEMENT 0.002
#define MADE_UP_ROWS ((size_t)512)

int model_score(Model *m, const RowTable *rows, ModelScore *ret) {
        _cleanup_(sampler_done)
        Sampler s = SAMPLER_INIT;
        float x[BLOCK * FEATURE_COUNT];
        Prediction p[BLOCK];
        Confusion c = {};
        int r;

        r = sampler_init(&s, rows);
        if (r < 0)
                return r;
        for (size_t g = 0; g < s.n_groups; g++) {
                const Group *group = &s.groups[g];

                for (size_t i = 0; i < group->n; i += BLOCK) {
                        size_t n = MIN(BLOCK, group->n - i);

                        for (size_t k = 0; k < n; k++)
                                memcpy(x + k * FEATURE_COUNT,
                                       rows->rows[s.order[group->first + i + k]].x,
                                       FEATURE_COUNT * sizeof(*x));
                        model_predict(m, x, n, p);
                        for (size_t k = 0; k < n; k++)
                                confusion_add(&c, group->label, prediction_class(&p[k]),
                                              sampler_weight(&s, g));
                }
        }
        *ret = (ModelScore){.n_rows = rows->n, .macro_f1 = confusion_macro_f1(&c)};
        for (size_t k = 0; k < _CLASS_COUNT; k++)
                ret->f1[k] = confusion_f1(&c, (LoadClass)k);
        return 0;
}

/* What is not finite becomes the same probability for every class (model.h), and a network that
 * works never gives that exactly. */
static bool is_meaningless(const Prediction *p) {
        for (int c = 1; c < _CLASS_COUNT; c++)
                if (p->probability[c] != p->probability[0])
                        return false;
        return true;
}

/* Rows around the mean, and at and beyond the point where inputs are cut. */
static int try_made_up_rows(const char *path, const Manifest *manifest, Model *m, Error *e) {
        static const double spread[] = {1, 3, 10, 1000};
        Random random = {.state = 1};
        float x[FEATURE_COUNT];
        Prediction p;

        for (size_t i = 0; i < MADE_UP_ROWS; i++) {
                for (size_t k = 0; k < FEATURE_COUNT; k++) {
                        double z = spread[i % ELEMENTSOF(spread)] * random_normal(&random);

                        x[k] = (float)((double)manifest->mean[k] +
                                       z * (double)manifest->deviation[k]);
                }
                model_predict(m, x, 1, &p);
                if (is_meaningless(&p))
                        return error_set(e, -ERANGE,
                                         "%s: the model's output is not finite, or the same for "
                                         "every class, on made-up row %zu",
                                         path, i + 1);
        }
        return 0;
}

static int read_rows(const char *path, const Manifest *manifest, RowTable *ret, Error *e) {
        _cleanup_free_
        char *text = NULL;
        _cleanup_fclose_
        FILE *f = NULL;
        Error inner = ERROR_INIT;
        size_t size;
        int r;

        r = manifest_read_validation(path, manifest, &text, &size, e);
        if (r < 0)
                return r == -ENODATA ? 0 : r;
        if (size == 0 || size > MODEL_ROWS_SIZE_MAX)
                return error_set(e, -EFBIG, "%s: %.60s has %zu bytes, must have 1 to %zu", path,
                                 manifest->validation.file, size, MODEL_ROWS_SIZE_MAX);
        f = fmemopen(text, size, "r");
        if (!f)
                return error_set(e, -errno, "%s: %m", path);
        r = row_table_read(ret, f, manifest->validation.file, &inner);
        if (r < 0)
                return error_set(e, r, "%s: %.400s", path,
                                 inner.text[0] ? inner.text : strerror(-r));
        if (ret->n > MODEL_ROWS_MAX)
                return error_set(e, -EFBIG, "%s: %.60s has %zu rows, must have at most %zu", path,
                                 manifest->validation.file, ret->n, MODEL_ROWS_MAX);
        return 0;
}

static int try_rows(const char *path, const RowTable *rows, Model *m, Error *e) {
        Prediction p;

        for (size_t i = 0; i < rows->n; i++) {
                model_predict(m, rows->rows[i].x, 1, &p);
                if (is_meaningless(&p))
                        return error_set(e, -ERANGE,
                                         "%s: the model's output is not finite, or the same for "
                                         "every class, on validation row %zu",
                                         path, i + 1);
        }
        return 0;
}

void verification_done(Verification *v) {
        model_free(v->model);
        row_table_done(&v->rows);
        *v = VERIFICATION_INIT;
}

int verification_run(const char *path, Verification *ret, Error *e) {
        _cleanup_(verification_done)
        Verification v = VERIFICATION_INIT;
        int r;

        r = manifest_load(path, &v.manifest, e);
        if (r >= 0)
                r = manifest_load_model(path, &v.model, e);
        if (r >= 0)
                r = try_made_up_rows(path, &v.manifest, v.model, e);
        if (r >= 0)
                r = read_rows(path, &v.manifest, &v.rows, e);
        if (r >= 0)
                r = try_rows(path, &v.rows, v.model, e);
        if (r >= 0 && v.rows.n > 0)
                r = model_score(v.model, &v.rows, &v.score);
        if (r >= 0 && v.rows.n > 0 && fabs(v.score.macro_f1 - v.manifest.validation_f1) > AGREEMENT)
                r = error_set(e, -EBADMSG,
                              "%s: the macro-F1 on its validation rows is %.4f, but the manifest "
                              "says %.4f",
                              path, v.score.macro_f1, v.manifest.validation_f1);
        if (r < 0)
                return error_set(e, r, "%s: %s", path, strerror(-r));
        *ret = v;
        v = VERIFICATION_INIT;
        return 0;
}
