/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-darknet rows: a recording and its labels to labelled feature rows. */
#include <errno.h>
#include <getopt.h>
#include <sys/stat.h>

#include "models/darknet/command.h"
#include "models/darknet/verbs.h"

#include "daemon/recording.h"
#include "models/train/extract.h"

static int on_sample(const Sample *s, void *userdata) {
        return extract_sample(userdata, s);
}

static void on_exec(pid_t pid, void *userdata) {
        extract_note_exec(userdata, pid);
}

static int write_rows(const RowTable *t, const char *path, Error *e) {
        _cleanup_fclose_
        FILE *f = NULL;
        int r;

        if (streq(path, "-"))
                return row_table_write(t, stdout);
        f = fopen(path, "we");
        if (!f)
                return error_set(e, -errno, "%s: %m", path);
        r = row_table_write(t, f);
        return r < 0 ? error_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

static int run(const char *recording, const char *labels_path, const char *out, Error *e) {
        static const RecordingVisitor visitor = {.sample = on_sample, .exec = on_exec};
        _cleanup_(labels_done)
        Labels labels = LABELS_INIT;
        _cleanup_(row_table_done)
        RowTable table = ROW_TABLE_INIT;
        _cleanup_(extract_freep)
        Extract *extract = NULL;
        size_t per_class[_CLASS_COUNT] = {0};
        int r;

        if ((r = labels_read(labels_path, &labels, e)) < 0 ||
            (r = extract_new(&labels, &table, &extract)) < 0 ||
            (r = recording_visit(recording, &visitor, extract, e)) < 0)
                return r;
        if (table.n == 0)
                return error_set(e, -ENODATA,
                                 "%s: no process of the runs in %s was seen for long enough",
                                 recording, labels_path);
        r = write_rows(&table, out, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < table.n; i++)
                per_class[table.rows[i].label]++;
        fprintf(stderr, "%zu rows:", table.n);
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                fprintf(stderr, " %s %zu%s", class_to_string((LoadClass)c), per_class[c],
                        c + 1 < _CLASS_COUNT ? "," : "\n");
        return 0;
}

int verb_rows(int argc, char *argv[]) {
        static const struct option options[] = {
                {"labels", required_argument, NULL, 'l'},
                {"output", required_argument, NULL, 'o'},
                {},
        };
        const char *labels = NULL, *out = NULL;
        Error e = ERROR_INIT;
        int c, r;

        while ((c = getopt_long(argc, argv, "o:", options, NULL)) >= 0)
                switch (c) {
                case 'l':
                        labels = optarg;
                        break;
                case 'o':
                        out = optarg;
                        break;
                default:
                        return command_usage("rows", "unknown option or missing value");
                }
        if (optind + 1 != argc || !labels || !out)
                return command_usage("rows", "needs RECORDING, --labels FILE and -o FILE");
        r = run(argv[optind], labels, out, &e);
        return command_finish("rows", r, &e);
}
