/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/harness/model-maker.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>

#include "models/verify.h"
#include "util/io.h"

#define N_WEIGHTS (_CLASS_COUNT * FEATURE_COUNT)

static int write_file(int dir_fd, const char *name, const char *suffix, const void *data,
                      size_t size) {
        char file[128];

        snprintf(file, sizeof(file), "%s%s", name, suffix);
        return io_replace_at(dir_fd, file, data, size, 0644);
}

/* A class is a feature that is high. */
static int write_weights(int dir_fd, const char *name, size_t n_wrong, ModelFlaw flaw) {
        struct {
                int32_t version[3];
                uint32_t seen[2];
                float biases[_CLASS_COUNT];
                float weights[N_WEIGHTS];
        } file = {.version = {0, 2, 0}};
        size_t size = sizeof(file);

        for (size_t c = 0; c < _CLASS_COUNT; c++) {
                size_t output = c < n_wrong ? (c + 1) % n_wrong : c;

                for (size_t k = 0; k < FEATURE_COUNT; k++)
                        file.weights[output * FEATURE_COUNT + k] = k == c ? 4 : 0.01F * (float)c;
        }
        if (flaw == FLAW_NAN)
                file.weights[7] = NAN;
        for (size_t i = 0; flaw == FLAW_OVERFLOW && i < N_WEIGHTS; i++)
                file.weights[i] = i % 2 ? 3e38F : -3e38F;
        if (flaw == FLAW_TRUNCATED)
                size -= sizeof(float);
        return write_file(dir_fd, name, ".weights", &file, size);
}

static int make_rows(size_t n, ModelFlaw flaw, char **ret, size_t *ret_size) {
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        char *text = NULL;
        FILE *f;
        int r;

        for (size_t i = 0; i < n; i++) {
                Row *row = row_table_add(&t);

                if (!row)
                        return -ENOMEM;
                row->label = (LoadClass)(i % _CLASS_COUNT);
                row->pid = (pid_t)(i + 1);
                snprintf(row->program, sizeof(row->program), "%s-%zu", class_to_string(row->label),
                         i / _CLASS_COUNT % 2);
                snprintf(row->run, sizeof(row->run), "made-up.1");
                for (size_t k = 0; k < FEATURE_COUNT; k++)
                        row->x[k] = (float)(i * 7 + k * 3) / 1e6F;
                row->x[row->label] = 5;
        }
        f = open_memstream(&text, ret_size);
        if (!f)
                return -ENOMEM;
        r = row_table_write(&t, f);
        if (r >= 0 && flaw == FLAW_ROWS)
                fputs("this is no row\n", f);
        (void)fclose(f);
        *ret = text;
        return r;
}

static int write_manifest(int dir_fd, const char *dir, const char *name, bool validation,
                          double macro_f1, ModelFlaw flaw) {
        static const char *const suffixes[] = {".cfg", ".weights", ".validation.csv"};
        char digests[ELEMENTSOF(suffixes)][65] = {}, path[512];
        _cleanup_free_
        char *text = NULL;
        size_t size;
        FILE *f;

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffixes[i]);
                if ((i < 2 || validation) && manifest_digest_file(path, digests[i]) < 0)
                        return -EIO;
        }
        if (flaw == FLAW_DIGEST)
                digests[1][0] = digests[1][0] == '0' ? '1' : '0';
        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        fprintf(f, "{\"name\": \"%s\", \"version\": \"1\", \"schema\": \"0x%016" PRIx64 "\",\n",
                name, feature_schema_hash() ^ (flaw == FLAW_SCHEMA));
        fputs("\"classes\": [", f);
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                fprintf(f, "%s\"%s\"", c > 0 ? ", " : "", class_to_string((LoadClass)c));
        fprintf(f,
                "],\n\"cfg\": {\"file\": \"%s.cfg\", \"sha256\": \"%s\"},\n"
                "\"weights\": {\"file\": \"%s.weights\", \"sha256\": \"%s\"},\n",
                name, digests[0], name, digests[1]);
        if (validation)
                fprintf(f,
                        "\"validation\": {\"file\": \"%s.validation.csv\", \"sha256\": \"%s\", "
                        "\"macro_f1\": %.6f},\n",
                        name, digests[2], macro_f1);
        fputs("\"features\": [", f);
        for (size_t k = 0; k < FEATURE_COUNT; k++)
                fprintf(f, "%s{\"name\": \"%s\", \"mean\": 0, \"deviation\": 1}",
                        k > 0 ? ",\n" : "", feature_table[k].name);
        fputs("],\n\"training\": {\"by\": \"hand\", \"seed\": 7}}\n", f);
        (void)fclose(f);
        return write_file(dir_fd, name, ".json", text, size);
}

int model_maker(const char *dir, const char *name, size_t n_wrong, size_t n_rows, ModelFlaw flaw) {
        _cleanup_close_
        int dir_fd = -EBADF;
        _cleanup_free_
        char *rows = NULL;
        char cfg[128];
        double f1 = 1.0 - (double)n_wrong / _CLASS_COUNT;
        size_t size = 0;
        int r;

        r = io_mkdir_p(dir, 0755);
        if (r < 0)
                return r;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return -errno;
        snprintf(
                cfg, sizeof(cfg),
                "[net]\ninputs=%d\nbatch=1\n[connected]\noutput=%d\nactivation=linear\n[softmax]\n",
                FEATURE_COUNT, _CLASS_COUNT);
        r = write_file(dir_fd, name, ".cfg", cfg, strlen(cfg));
        if (r >= 0)
                r = write_weights(dir_fd, name, n_wrong, flaw);
        if (r >= 0 && n_rows > 0)
                r = make_rows(n_rows, flaw, &rows, &size);
        if (r >= 0 && n_rows > 0)
                r = write_file(dir_fd, name, ".validation.csv", rows, size);
        if (r >= 0)
                r = write_manifest(dir_fd, dir, name, n_rows > 0, flaw == FLAW_CLAIM ? f1 / 2 : f1,
                                   flaw);
        return r;
}
