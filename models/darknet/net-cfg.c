/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>

#include "models/darknet/net-cfg.h"

#include "models/engine.h"
#include "models/feature.h"
#include "models/import-darknet.h"
#include "policy/class.h"
#include "util/io.h"

int net_shape_parse_hidden(const char *text, NetShape *ret) {
        char copy[256], *rest = copy, *field;
        size_t n = 0;

        if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
                return -EINVAL;
        while ((field = strsep(&rest, ","))) {
                uint64_t units;

                if (n == NET_HIDDEN_MAX || parse_u64(field, 1, ENGINE_WIDTH_MAX, &units) < 0)
                        return -EINVAL;
                ret->hidden[n++] = (uint32_t)units;
        }
        ret->n_hidden = n;
        return 0;
}

char *net_cfg_new(const NetShape *s) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        fprintf(f,
                "[net]\n"
                "inputs=%d\n"
                "batch=64\n"
                "subdivisions=1\n"
                "learning_rate=0.1\n"
                "momentum=0.9\n"
                "decay=%g\n"
                "max_batches=%u\n"
                "policy=steps\n"
                "steps=%u,%u\n"
                "scales=.1,.1\n",
                FEATURE_COUNT, s->decay, s->batches, s->batches / 2 + 1, s->batches / 6 * 5 + 2);
        for (size_t i = 0; i < s->n_hidden; i++) {
                fprintf(f, "\n[connected]\noutput=%u\nactivation=leaky\n", s->hidden[i]);
                if (s->dropout > 0)
                        fprintf(f, "\n[dropout]\nprobability=%.2f\n", s->dropout / 100.0);
        }
        fprintf(f, "\n[connected]\noutput=%d\nactivation=linear\n\n[softmax]\n", _CLASS_COUNT);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* The value of an option of the first section, without blanks. Returns 0, or -ENOENT. */
static int find_option(const char *cfg, const char *key, char *ret, size_t size) {
        _cleanup_free_
        char *copy = strdup(cfg);
        char *rest = copy, *line;
        bool inside = false;

        while (rest && (line = strsep(&rest, "\n"))) {
                size_t n = 0;

                for (char *p = line; *p; p++)
                        if (!isspace((unsigned char)*p))
                                line[n++] = *p;
                line[n] = '\0';
                if (*line == '[') {
                        if (inside)
                                break;
                        inside = true;
                } else if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == '=') {
                        snprintf(ret, size, "%s", line + strlen(key) + 1);
                        return 0;
                }
        }
        return -ENOENT;
}

uint32_t net_cfg_batch(const char *cfg) {
        char value[64];
        uint64_t number;

        if (find_option(cfg, "batch", value, sizeof(value)) < 0 ||
            parse_u64(value, 1, UINT32_MAX, &number) < 0)
                return 1;
        return (uint32_t)number;
}

/* Where the key of a line ends; 0: it is none of these. */
static bool is_schedule(const char *line) {
        static const char *const keys[] = {"learning_rate", "max_batches", "policy", "steps",
                                           "scales"};

        line += strspn(line, " \t");
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                size_t n = strlen(keys[i]);

                if (strncmp(line, keys[i], n) == 0 && line[n + strspn(line + n, " \t")] == '=')
                        return true;
        }
        return false;
}

char *net_cfg_reschedule(const char *cfg, uint32_t batches, double learning_rate) {
        _cleanup_free_
        char *copy = strdup(cfg);
        char *rest = copy, *line, *text = NULL;
        size_t size = 0, sections = 0;
        FILE *f = copy ? open_memstream(&text, &size) : NULL;

        if (!f)
                return NULL;
        while ((line = strsep(&rest, "\n"))) {
                bool last = !rest && !*line;

                if (line[strspn(line, " \t")] == '[')
                        sections++;
                if (last || (sections == 1 && is_schedule(line)))
                        continue;
                fprintf(f, "%s\n", line);
                if (sections == 1 && line[strspn(line, " \t")] == '[')
                        fprintf(f,
                                "learning_rate=%g\nmax_batches=%u\npolicy=steps\nsteps=%u,%u\n"
                                "scales=.1,.1\n",
                                learning_rate, batches, batches / 2 + 1, batches / 6 * 5 + 2);
        }
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

int net_cfg_check(const char *cfg, size_t size, uint32_t *ret_batches, Error *e) {
        static const struct {
                const char *key;
                uint64_t max;
        } bounded[] = {{"batch", 4096}, {"subdivisions", 1}, {"time_steps", 1}};
        size_t inputs, outputs;
        uint64_t number;
        char value[64];
        int r;

        r = import_darknet_check_cfg(cfg, size, &inputs, &outputs, e);
        if (r < 0)
                return r;
        if (inputs != FEATURE_COUNT || outputs != _CLASS_COUNT)
                return error_set(e, -EINVAL,
                                 "the network has %zu inputs and %zu outputs, expected %d and %d",
                                 inputs, outputs, FEATURE_COUNT, _CLASS_COUNT);
        for (size_t i = 0; i < ELEMENTSOF(bounded); i++)
                if (find_option(cfg, bounded[i].key, value, sizeof(value)) >= 0 &&
                    parse_u64(value, 1, bounded[i].max, &number) < 0)
                        return error_set(e, -EINVAL, "[net] %s=%s is not in 1..%llu",
                                         bounded[i].key, value, (unsigned long long)bounded[i].max);
        *ret_batches = 0;
        if (find_option(cfg, "max_batches", value, sizeof(value)) >= 0) {
                if (parse_u64(value, 1, 10000000, &number) < 0)
                        return error_set(e, -EINVAL, "[net] max_batches=%s is not in 1..10000000",
                                         value);
                *ret_batches = (uint32_t)number;
        }
        return 0;
}
