/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include <darknet.h>

#include "models/darknet/glue.h"

#include "models/train/judge.h"

/* A batch beyond this is a mistake in the cfg. */
#define BATCH_MAX 4096

static void free_networkp(network **net) {
        if (*net)
                free_network(*net);
}

/* Darknet's arguments are not const, though it does not write to them. */
static int load(const char *cfg_path, const char *weights_path, size_t n_inputs, size_t n_outputs,
                network **ret) {
        _cleanup_(free_networkp)
        network *net = NULL;

        net = load_network((char *)cfg_path, (char *)weights_path, /* clear= */ 1);
        if (!net || net->n < 1 || net->inputs != (int)n_inputs ||
            get_network_output_layer(net).outputs != (int)n_outputs || net->batch < 1 ||
            net->batch > BATCH_MAX || net->subdivisions != 1 || net->time_steps != 1)
                return -EINVAL;
        *ret = TAKE_PTR(net);
        return 0;
}

/* The validation rows with every class and program weighing the same. buffer: a batch of inputs. */
static double validate(network *net, const GlueTraining *t, float *buffer) {
        const Sampler *s = t->validation;
        size_t batch = (size_t)net->batch;
        Confusion m = {0};

        for (size_t g = 0; g < s->n_groups; g++) {
                const Group *group = &s->groups[g];

                for (size_t i = 0; i < group->n; i += batch) {
                        size_t n = MIN(batch, group->n - i);
                        const float *out;

                        for (size_t k = 0; k < n; k++)
                                standard_apply(t->standard,
                                               s->table->rows[s->order[group->first + i + k]].x,
                                               buffer + k * FEATURE_COUNT);
                        out = network_predict(net, buffer);
                        for (size_t k = 0; k < n; k++)
                                confusion_add(&m, group->label,
                                              (LoadClass)max_index((float *)out + k * _CLASS_COUNT,
                                                                   _CLASS_COUNT),
                                              sampler_weight(s, g));
                }
        }
        return confusion_macro_f1(&m);
}

static void fill_batch(network *net, const GlueTraining *t, Random *random) {
        memset(net->truth, 0, (size_t)net->batch * _CLASS_COUNT * sizeof(float));
        for (size_t i = 0; i < (size_t)net->batch; i++) {
                const Row *row = sampler_next(t->train, random);
                float *x = net->input + i * FEATURE_COUNT;

                standard_apply(t->standard, row->x, x);
                for (size_t k = 0; k < FEATURE_COUNT && t->noise > 0; k++)
                        x[k] += (float)(t->noise * random_normal(random));
                net->truth[i * _CLASS_COUNT + row->label] = 1;
        }
}

int glue_train(const GlueTraining *t, void (*report)(const GlueProgress *p, void *userdata),
               void *userdata) {
        _cleanup_(free_networkp)
        network *net = NULL;
        _cleanup_free_
        float *buffer = NULL;
        GlueProgress p = {.batches = t->batches, .f1 = -1, .best_f1 = -1};
        Random random = {.state = t->seed};
        double loss = 0;
        uint32_t n_loss = 0, better = 0;
        int r;

        srand((unsigned)t->seed); /* darknet draws its first weights from rand() */
        r = load(t->cfg_path, t->from_path, FEATURE_COUNT, _CLASS_COUNT, &net);
        if (r < 0)
                return r;
        buffer = calloc((size_t)net->batch * FEATURE_COUNT, sizeof(float));
        if (!buffer)
                return -ENOMEM;
        while (p.batch < t->batches) {
                fill_batch(net, t, &random);
                loss += (double)train_network_datum(net) / net->batch;
                n_loss++;
                p.batch++;
                if (p.batch % t->check_every != 0 && p.batch != t->batches)
                        continue;
                p.loss = (float)(loss / n_loss);
                if (!isfinite(p.loss))
                        return -ERANGE;
                loss = n_loss = 0;
                if (t->validation)
                        p.f1 = (float)validate(net, t, buffer);
                if (p.f1 > p.best_f1)
                        better = p.batch;
                if (t->validation ? p.f1 >= p.best_f1 : p.batch == t->batches) {
                        p.best_f1 = p.f1;
                        p.best_batch = p.batch;
                        save_weights(net, (char *)t->weights_path);
                }
                /* By batches, never by time: equal input stops at the same batch. */
                p.stopped = t->validation && t->patience > 0 && p.batch < t->batches &&
                            p.batch - better >= t->patience * t->check_every;
                report(&p, userdata);
                if (p.stopped)
                        break;
        }
        return 0;
}

int glue_predict(const char *cfg_path, const char *weights_path, const float *rows, size_t n,
                 size_t n_inputs, size_t n_outputs, float *out) {
        _cleanup_(free_networkp)
        network *net = NULL;
        _cleanup_free_
        float *buffer = NULL;
        size_t batch;
        int r;

        r = load(cfg_path, weights_path, n_inputs, n_outputs, &net);
        if (r < 0)
                return r;
        batch = (size_t)net->batch;
        buffer = calloc(batch * n_inputs, sizeof(float));
        if (!buffer)
                return -ENOMEM;
        for (size_t i = 0; i < n; i += batch) {
                size_t k = MIN(batch, n - i);

                memcpy(buffer, rows + i * n_inputs, k * n_inputs * sizeof(float));
                memcpy(out + i * n_outputs, network_predict(net, buffer),
                       k * n_outputs * sizeof(float));
        }
        return 0;
}
