/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine against darknet's own forward pass: random networks of every activation, with and
 * without batch normalisation and dropout, and the shipped model on recorded and random rows.
 *
 * test-agreement AIKM-DARKNET MANIFEST ROWS.xz
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <sys/wait.h>

#include "models/import-darknet.h"
#include "models/manifest.h"
#include "models/train/dataset.h"
#include "util/io.h"

#define TOLERANCE 1e-5
#define ROWS_MIN ((size_t)10000)

extern char **environ;

static const char *program;
static char folder[] = "/tmp/aikm-agreement.XXXXXX";
static int failures;

static char *path_in(const char *name) {
        char *path = NULL;

        return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int write_bytes(const char *name, const void *data, size_t size) {
        _cleanup_free_
        char *path = path_in(name);
        _cleanup_fclose_
        FILE *f = fopen(path, "we");

        return f && fwrite(data, 1, size, f) == size && fflush(f) == 0 ? 0 : -EIO;
}

static int write_rows(const RowTable *t) {
        _cleanup_free_
        char *path = path_in("rows.csv");
        _cleanup_fclose_
        FILE *f = fopen(path, "we");

        return f ? row_table_write(t, f) : -errno;
}

/* Runs aikm-darknet predict; its stderr is the test's. */
static int predict(const char *const *which) {
        _cleanup_free_
        char *rows = path_in("rows.csv"), *out = path_in("out.csv");
        const char *argv[12] = {program, "predict", "--rows", rows, "-o", out};
        size_t n = 6;
        pid_t pid;
        int status;

        while (*which)
                argv[n++] = *which++;
        if (posix_spawn(&pid, program, NULL, NULL, (char *const *)argv, environ) != 0 ||
            waitpid(pid, &status, 0) < 0)
                return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

/* The probabilities of line n as predict printed them: its last columns. */
static int parse_line(char *line, double *ret) {
        for (size_t c = _CLASS_COUNT; c-- > 0;) {
                char *comma = strrchr(line, ',');

                if (!comma)
                        return -EINVAL;
                ret[c] = strtod(comma + 1, NULL);
                *comma = '\0';
        }
        return 0;
}

static void compare(const char *what, const float *ours, size_t n) {
        _cleanup_free_
        char *path = path_in("out.csv"), *line = NULL;
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        double worst = 0;
        size_t size = 0, i = 0;

        if (!f || getline(&line, &size, f) < 0) {
                printf("FAIL %s: no output\n", what);
                failures++;
                return;
        }
        for (; getline(&line, &size, f) > 0 && i < n; i++) {
                double theirs[_CLASS_COUNT];

                if (parse_line(line, theirs) < 0)
                        break;
                for (size_t c = 0; c < _CLASS_COUNT; c++) {
                        double difference = fabs(theirs[c] - (double)ours[i * _CLASS_COUNT + c]);

                        /* Not a number is as far off as can be. */
                        if (!(difference <= worst))
                                worst = isnan(difference) ? HUGE_VAL : difference;
                }
        }
        if (i != n || !(worst <= TOLERANCE))
                failures++;
        printf("%s %s: %zu of %zu rows, largest difference %.2g\n",
               i == n && worst <= TOLERANCE ? "ok  " : "FAIL", what, i, n, worst);
}

static Row *add_random_row(RowTable *t, Random *random, double scale) {
        Row *row = row_table_add(t);

        if (!row)
                return NULL;
        snprintf(row->program, sizeof(row->program), "random");
        snprintf(row->run, sizeof(row->run), "random.1");
        for (size_t k = 0; k < FEATURE_COUNT; k++)
                row->x[k] = (float)(scale * random_normal(random));
        return row;
}

/* ---- random networks ---- */

typedef struct Shape {
        const char *activation;
        bool normalize, dropout;
        size_t n_hidden;
        double temperature;
} Shape;

static void put_floats(FILE *f, Random *random, size_t n, double mean, double deviation,
                       bool positive) {
        for (size_t i = 0; i < n; i++) {
                double x = mean + deviation * random_normal(random);
                float v = (float)(positive ? fabs(x) + 1e-3 : x);

                fwrite(&v, sizeof(v), 1, f);
        }
}

static void put_connected(FILE *cfg, FILE *weights, const Shape *s, Random *random, size_t in,
                          size_t out, bool last) {
        bool normalize = s->normalize && !last;

        fprintf(cfg, "\n[connected]\noutput=%zu\nactivation=%s\n", out,
                last ? "linear" : s->activation);
        if (normalize)
                fprintf(cfg, "batch_normalize=1\n");
        if (s->dropout && !last)
                fprintf(cfg, "\n[dropout]\nprobability=.3\n");
        put_floats(weights, random, out, 0, 0.3, false);
        put_floats(weights, random, in * out, 0, 1 / sqrt((double)in), false);
        if (normalize) {
                put_floats(weights, random, out, 1, 0.2, false);
                put_floats(weights, random, out, 0, 0.5, false);
                put_floats(weights, random, out, 1, 0.4, true);
        }
}

static int make_network(const Shape *s, Random *random, char **ret_cfg, size_t *ret_cfg_size,
                        char **ret_weights, size_t *ret_weights_size) {
        const int32_t version[3] = {0, 2, 0};
        const uint64_t seen = 0;
        FILE *cfg = open_memstream(ret_cfg, ret_cfg_size);
        FILE *weights = open_memstream(ret_weights, ret_weights_size);
        size_t in = FEATURE_COUNT;

        if (!cfg || !weights)
                return -ENOMEM;
        fprintf(cfg, "[net]\nbatch=32\nsubdivisions=1\ninputs=%d\nlearning_rate=0.1\n",
                FEATURE_COUNT);
        fwrite(version, sizeof(version), 1, weights);
        fwrite(&seen, sizeof(seen), 1, weights);
        for (size_t i = 0; i < s->n_hidden; i++) {
                /* Sizes that no vector width divides. */
                size_t out = 9 + random_below(random, 60);

                put_connected(cfg, weights, s, random, in, out, false);
                in = out;
        }
        put_connected(cfg, weights, s, random, in, _CLASS_COUNT, true);
        fprintf(cfg, "\n[softmax]\n");
        if (s->temperature > 0)
                fprintf(cfg, "temperature=%g\n", s->temperature);
        fclose(cfg);
        fclose(weights);
        return 0;
}

static void test_network(const Shape *s, uint64_t seed) {
        _cleanup_free_
        char *cfg = NULL, *weights = NULL, *cfg_path = path_in("net.cfg"),
             *weights_path = path_in("net.weights");
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        _cleanup_(engine_freep)
        Engine *engine = NULL;
        _cleanup_free_
        float *out = NULL;
        Random random = {.state = seed};
        size_t cfg_size, weights_size;
        Error e = ERROR_INIT;
        char what[128];

        snprintf(what, sizeof(what), "%s, %zu hidden%s%s", s->activation, s->n_hidden,
                 s->normalize ? ", batch_normalize" : "", s->dropout ? ", dropout" : "");
        for (size_t i = 0; i < 501; i++)
                if (!add_random_row(&t, &random, 1))
                        abort();
        out = calloc(t.n * _CLASS_COUNT, sizeof(float));
        if (!out || make_network(s, &random, &cfg, &cfg_size, &weights, &weights_size) < 0 ||
            write_bytes("net.cfg", cfg, cfg_size) < 0 ||
            write_bytes("net.weights", weights, weights_size) < 0 || write_rows(&t) < 0)
                abort();
        if (import_darknet(cfg, cfg_size, weights, weights_size, &engine, &e) < 0) {
                printf("FAIL %s: %s\n", what, e.text);
                failures++;
                return;
        }
        for (size_t i = 0; i < t.n; i++)
                engine_run(engine, t.rows[i].x, 1, out + i * _CLASS_COUNT);
        if (predict((const char *const[]){"--cfg", cfg_path, "--weights", weights_path, NULL}) <
            0) {
                printf("FAIL %s: aikm-darknet predict failed\n", what);
                failures++;
                return;
        }
        compare(what, out, t.n);
}

static void test_networks(void) {
        static const char *const activations[] = {"linear", "relu", "leaky", "logistic", "tanh"};
        uint64_t seed = 100;

        for (size_t a = 0; a < ELEMENTSOF(activations); a++)
                for (int options = 0; options < 4; options++)
                        test_network(&(Shape){.activation = activations[a],
                                              .normalize = options & 1,
                                              .dropout = options & 2,
                                              .n_hidden = 1 + (a + (size_t)options) % 3},
                                     seed++);
        test_network(&(Shape){.activation = "leaky", .n_hidden = 2, .temperature = 0.5}, seed++);
        test_network(&(Shape){.activation = "leaky", .n_hidden = 0}, seed);
}

/* ---- the shipped model ---- */

static int read_compressed(const char *path, RowTable *t) {
        _cleanup_free_
        char *command = NULL;
        Error e = ERROR_INIT;
        FILE *f;
        int r;

        if (asprintf(&command, "xz -dc '%s'", path) < 0)
                return -ENOMEM;
        f = popen(command, "re");
        if (!f)
                return -errno;
        r = row_table_read(t, f, path, &e);
        if (pclose(f) != 0 && r >= 0)
                r = -EIO;
        if (r < 0)
                printf("FAIL %s: %s\n", path, e.text[0] ? e.text : strerror(-r));
        return r;
}

static void test_model(const char *manifest, const char *rows) {
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        _cleanup_(model_freep)
        Model *model = NULL;
        _cleanup_free_
        float *out = NULL;
        Random random = {.state = 42};
        Error e = ERROR_INIT;
        size_t recorded;

        if (manifest_load_model(manifest, &model, &e) < 0) {
                printf("FAIL %s\n", e.text);
                failures++;
                return;
        }
        if (read_compressed(rows, &t) < 0) {
                failures++;
                return;
        }
        recorded = t.n;
        /* Of the dormant neither is asked; here both are. */
        for (size_t i = 0; i < t.n; i++)
                t.rows[i].dormant = false;
        while (t.n < MAX(ROWS_MIN, recorded + 2000))
                if (!add_random_row(&t, &random, 4))
                        abort();
        out = calloc(t.n * _CLASS_COUNT, sizeof(float));
        if (!out || write_rows(&t) < 0)
                abort();
        for (size_t i = 0; i < t.n; i++) {
                Prediction p;

                model_predict(model, t.rows[i].x, 1, &p);
                memcpy(out + i * _CLASS_COUNT, p.probability, sizeof(p.probability));
        }
        if (predict((const char *const[]){"--manifest", manifest, NULL}) < 0) {
                printf("FAIL shipped model: aikm-darknet predict failed\n");
                failures++;
                return;
        }
        printf("     shipped model: %zu recorded rows, the rest random\n", recorded);
        compare("shipped model", out, t.n);
}

static void clean_up(void) {
        static const char *const names[] = {"rows.csv", "out.csv", "net.cfg", "net.weights"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_
                char *path = path_in(names[i]);

                (void)unlink(path);
        }
        (void)rmdir(folder);
}

int main(int argc, char *argv[]) {
        if (argc != 4) {
                fprintf(stderr, "usage: test-agreement AIKM-DARKNET MANIFEST ROWS.xz\n");
                return 2;
        }
        program = argv[1];
        if (!mkdtemp(folder)) {
                perror(folder);
                return EXIT_FAILURE;
        }
        test_networks();
        test_model(argv[2], argv[3]);
        clean_up();
        printf("%d failures\n", failures);
        return failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
