/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "models/train/evaluate.h"

#include "util/macro.h"

void evaluation_done(Evaluation *e) {
        free(e->programs);
        *e = EVALUATION_INIT;
}

static int compare_scores(const void *a, const void *b) {
        return strcmp(((const ProgramScore *)a)->program, ((const ProgramScore *)b)->program);
}

static ProgramScore *find_score(Evaluation *e, const char *program) {
        for (size_t i = 0; i < e->n_programs; i++)
                if (streq(e->programs[i].program, program))
                        return &e->programs[i];
        return NULL;
}

static int add_score(Evaluation *e, const char *program, ProgramScore **ret) {
        ProgramScore *p = find_score(e, program);

        if (!p) {
                ProgramScore *programs = reallocarray(e->programs, e->n_programs + 1,
                                                      sizeof(*programs));

                if (!programs)
                        return -ENOMEM;
                e->programs = programs;
                p = &programs[e->n_programs++];
                memset(p, 0, sizeof(*p));
                snprintf(p->program, sizeof(p->program), "%s", program);
        }
        *ret = p;
        return 0;
}

int evaluate_model(Model *m, const RowTable *t, Evaluation *ret) {
        _cleanup_(evaluation_done)
        Evaluation e = EVALUATION_INIT;

        for (size_t i = 0; i < t->n; i++) {
                const Row *row = &t->rows[i];
                ProgramScore *score;
                Prediction p;
                int r = add_score(&e, row->program, &score);

                if (r < 0)
                        return r;
                model_predict(m, row->x, 1, &p);
                confusion_add(&e.confusion, row->label, prediction_class(&p), 1);
                confusion_add(&score->confusion, row->label, prediction_class(&p), 1);
        }
        if (e.n_programs > 0)
                qsort(e.programs, e.n_programs, sizeof(*e.programs), compare_scores);
        *ret = e;
        e = EVALUATION_INIT;
        return 0;
}

double evaluation_program_accuracy(const Evaluation *e) {
        double sum = 0;

        for (size_t i = 0; i < e->n_programs; i++)
                sum += confusion_accuracy(&e->programs[i].confusion);
        return e->n_programs > 0 ? sum / (double)e->n_programs : 0;
}

void evaluation_print(const Evaluation *e, const char *title, FILE *f) {
        confusion_print(&e->confusion, title, f);
        fprintf(f, "  accuracy, mean over %zu programs: %.3f\n", e->n_programs,
                evaluation_program_accuracy(e));
}

/* The most frequent mistake; false: there is none. */
static bool worst_mistake(const Confusion *m, LoadClass *ret_truth, LoadClass *ret_predicted) {
        double most = 0;

        for (size_t t = 0; t < _CLASS_COUNT; t++)
                for (size_t p = 0; p < _CLASS_COUNT; p++)
                        if (t != p && m->count[t][p] > most) {
                                most = m->count[t][p];
                                *ret_truth = (LoadClass)t;
                                *ret_predicted = (LoadClass)p;
                        }
        return most > 0;
}

void evaluation_print_programs(const Evaluation *of, const Evaluation *baseline, FILE *f) {
        fprintf(f, "  %-20s%7s%10s%10s  %s\n", "program", "rows", "accuracy", "baseline",
                "most frequent mistake");
        for (size_t i = 0; i < of->n_programs; i++) {
                const Confusion *m = &of->programs[i].confusion;
                LoadClass truth = CLASS_IDLE, predicted = CLASS_IDLE;

                fprintf(f, "  %-20s%7.0f%10.3f%10.3f", of->programs[i].program,
                        confusion_support(m, _CLASS_COUNT), confusion_accuracy(m),
                        confusion_accuracy(&baseline->programs[i].confusion));
                if (worst_mistake(m, &truth, &predicted))
                        fprintf(f, "  %s taken for %s (%.0f)", class_to_string(truth),
                                class_to_string(predicted), m->count[truth][predicted]);
                fputc('\n', f);
        }
}

json_object *evaluation_to_json(const Evaluation *e) {
        json_object *o = confusion_to_json(&e->confusion), *programs = json_object_new_object();
        char text[32];

        for (size_t i = 0; i < e->n_programs; i++) {
                const Confusion *m = &e->programs[i].confusion;
                json_object *p = json_object_new_object();

                json_object_object_add(
                        p, "rows",
                        json_object_new_int64(llround(confusion_support(m, _CLASS_COUNT))));
                snprintf(text, sizeof(text), "%.4f", confusion_accuracy(m));
                json_object_object_add(p, "accuracy",
                                       json_object_new_double_s(confusion_accuracy(m), text));
                json_object_object_add(programs, e->programs[i].program, p);
        }
        snprintf(text, sizeof(text), "%.4f", evaluation_program_accuracy(e));
        json_object_object_add(o, "program_accuracy",
                               json_object_new_double_s(evaluation_program_accuracy(e), text));
        json_object_object_add(o, "programs", programs);
        return o;
}
