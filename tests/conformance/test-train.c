/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/train/dataset.h"
#include "models/train/evaluate.h"
#include "models/train/extract.h"
#include "models/train/json-file.h"
#include "models/train/judge.h"
#include "models/train/labels.h"
#include "models/train/split.h"

/* ---- rows ---- */

static Row *put_row(RowTable *t, const char *program, LoadClass label, float value) {
        Row *row = row_table_add(t);

        assert_non_null(row);
        snprintf(row->program, sizeof(row->program), "%s", program);
        snprintf(row->run, sizeof(row->run), "%s.1", program);
        row->pid = 7;
        row->label = label;
        for (size_t k = 0; k < FEATURE_COUNT; k++)
                row->x[k] = value + (float)k / 3;
        return row;
}

/* The table as CSV text. Inlined, gcc would take the text for the pointer that the stream sets. */
__attribute__((noinline)) static char *to_csv(const RowTable *t) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        assert_int_equal(row_table_write(t, f), 0);
        fclose(f);
        return text;
}

static int from_csv(const char *text, size_t size, RowTable *t, Error *e) {
        _cleanup_fclose_
        FILE *f = fmemopen((char *)text, size, "r");

        assert_non_null(f);
        return row_table_read(t, f, "rows.csv", e);
}

static void test_rows_round_trip(void **state) {
        _cleanup_(row_table_done)
        RowTable a = ROW_TABLE_INIT, b = ROW_TABLE_INIT;
        _cleanup_free_
        char *text = NULL;
        Error e = ERROR_INIT;

        put_row(&a, "one", CLASS_IO, 1.0f / 3)->at = 12.345;
        put_row(&a, "two", CLASS_IDLE, -1e-30f)->dormant = true;
        text = to_csv(&a);
        assert_int_equal(from_csv(text, strlen(text), &b, &e), 0);
        assert_int_equal(b.n, 2);
        assert_memory_equal(a.rows, b.rows, 2 * sizeof(Row));
}

/* Replaces the first occurrence of a text. */
static char *replace(const char *text, const char *from, const char *to) {
        const char *at = strstr(text, from);
        char *result = NULL;

        assert_non_null(at);
        assert_true(asprintf(&result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) >=
                    0);
        return result;
}

static void test_rows_bad(void **state) {
        static const struct {
                const char *from, *to, *message;
        } table[] = {
                {"program,", "programme,", "rows.csv:1: column 1 is 'programme'"},
                {",cpu,", ",cpu_time,", "another feature table"},
                {",label,", ",", "rows.csv:1: column 5 is 'dormant', expected 'label'"},
                {",has_tty\n", "\n", "rows.csv:1: "},
                {",io,", ",disk,", "rows.csv:2: unknown class 'disk'"},
                {",io,", ",io,nan,", "rows.csv:2: "},
                {",io,0,", ",io,2,", "rows.csv:2: dormant '2' is neither 0 nor 1"},
                {",io,0,1", ",io,0,nan", "rows.csv:2: cpu 'nan' is not a finite number"},
                {",io,0,1", ",io,0,inf", "is not a finite number"},
                {",io,0,1", ",io,0,1e39", "is not a finite number"},
                {",io,0,1", ",io,0,", "is not a finite number"},
                {",io,0,1", ",io,0,1x", "is not a finite number"},
                {",7,", ",-7,", "rows.csv:2: pid '-7' is not a process id"},
                {"\none,", "\no ne,", "rows.csv:2: program 'o ne'"},
                {"\none,", "\n,", "rows.csv:2: program ''"},
                {"\none,", "\n\none,", "rows.csv:2: 1 columns, expected"},
        };
        _cleanup_(row_table_done)
        RowTable good = ROW_TABLE_INIT;
        _cleanup_free_
        char *text = NULL;

        put_row(&good, "one", CLASS_IO, 1);
        text = to_csv(&good);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(row_table_done)
                RowTable t = ROW_TABLE_INIT;
                _cleanup_free_
                char *bad = replace(text, table[i].from, table[i].to);
                Error e = ERROR_INIT;

                assert_int_equal(from_csv(bad, strlen(bad), &t, &e), -EINVAL);
                if (!strstr(e.text, table[i].message))
                        fail_msg("case %zu: '%s' does not say '%s'", i, e.text, table[i].message);
        }
}

static void test_rows_empty(void **state) {
        _cleanup_(row_table_done)
        RowTable none = ROW_TABLE_INIT, t = ROW_TABLE_INIT;
        _cleanup_free_
        char *header = to_csv(&none);
        Error e = ERROR_INIT;

        assert_int_equal(from_csv("\n", 1, &t, &e), -EINVAL);
        e = ERROR_INIT;
        assert_int_equal(from_csv(header, strlen(header), &t, &e), -ENODATA);
        assert_non_null(strstr(e.text, "no rows"));
        e = ERROR_INIT;
        assert_int_equal(from_csv("a\0b\n", 4, &t, &e), -EINVAL);
        assert_non_null(strstr(e.text, "rows.csv:1: NUL byte"));
        e = ERROR_INIT;
        assert_int_equal(row_table_read_path(&t, "/nonexistent/rows", &e), -ENOENT);
        assert_non_null(strstr(e.text, "/nonexistent/rows"));
}

/* ---- even draws ---- */

static void test_sampler_is_even(void **state) {
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        _cleanup_(sampler_done)
        Sampler s = SAMPLER_INIT;
        size_t by_class[_CLASS_COUNT] = {0}, small = 0;
        Random random = {.state = 3};
        double sum = 0;

        for (size_t i = 0; i < 900; i++)
                put_row(&t, "big", CLASS_BATCH, 0);
        for (size_t i = 0; i < 9; i++)
                put_row(&t, "small", CLASS_BATCH, 0);
        put_row(&t, "alone", CLASS_SERVER, 0);
        assert_int_equal(sampler_init(&s, &t), 0);
        assert_int_equal(s.n_groups, 3);
        assert_int_equal(s.n_classes, 2);
        for (size_t g = 0; g < s.n_groups; g++)
                sum += sampler_weight(&s, g) * (double)s.groups[g].n;
        assert_true(fabs(sum - 2) < 1e-9);
        for (size_t i = 0; i < 40000; i++) {
                const Row *row = sampler_next(&s, &random);

                by_class[row->label]++;
                small += streq(row->program, "small");
        }
        assert_in_range(by_class[CLASS_SERVER], 19500, 20500);
        assert_in_range(small, 9600, 10400);
}

static void test_standard(void **state) {
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        _cleanup_(sampler_done)
        Sampler s = SAMPLER_INIT;
        Standard standard;
        float x[FEATURE_COUNT];

        /* Ten rows of one program weigh as much as one of another. */
        for (size_t i = 0; i < 10; i++)
                put_row(&t, "many", CLASS_BATCH, 0);
        put_row(&t, "few", CLASS_BATCH, 4);
        assert_int_equal(sampler_init(&s, &t), 0);
        sampler_standard(&s, &standard);
        assert_true(fabsf(standard.mean[0] - 2) < 1e-5f);
        assert_true(fabsf(standard.deviation[0] - 2) < 1e-5f);
        standard_apply(&standard, t.rows[10].x, x);
        assert_true(fabsf(x[0] - 1) < 1e-5f);

        row_table_done(&t);
        sampler_done(&s);
        put_row(&t, "one", CLASS_BATCH, 1);
        assert_int_equal(sampler_init(&s, &t), 0);
        sampler_standard(&s, &standard);
        assert_true(standard.deviation[5] >= DEVIATION_MIN);
}

static void test_sampler_empty(void **state) {
        RowTable t = ROW_TABLE_INIT;
        Sampler s = SAMPLER_INIT;

        assert_int_equal(sampler_init(&s, &t), -ENODATA);
        assert_null(s.order);
}

/* ---- figures ---- */

static void test_confusion(void **state) {
        Confusion m = {0};

        confusion_add(&m, CLASS_BATCH, CLASS_BATCH, 6);
        confusion_add(&m, CLASS_BATCH, CLASS_SERVER, 2);
        confusion_add(&m, CLASS_SERVER, CLASS_SERVER, 2);
        assert_true(fabs(confusion_accuracy(&m) - 0.8) < 1e-12);
        assert_true(fabs(confusion_recall(&m, CLASS_BATCH) - 0.75) < 1e-12);
        assert_true(fabs(confusion_precision(&m, CLASS_SERVER) - 0.5) < 1e-12);
        assert_true(fabs(confusion_f1(&m, CLASS_BATCH) - 6.0 / 7) < 1e-12);
        assert_true(fabs(confusion_macro_f1(&m) - (6.0 / 7 + 2.0 / 3) / 2) < 1e-12);
        assert_true(confusion_f1(&m, CLASS_IO) < 1e-12);
        m = (Confusion){0};
        assert_true(confusion_accuracy(&m) < 1e-12);
        assert_true(confusion_macro_f1(&m) < 1e-12);
}

static void test_evaluate(void **state) {
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        _cleanup_(evaluation_done)
        Evaluation e = EVALUATION_INIT;
        _cleanup_(model_freep)
        Model *rules = NULL;
        _cleanup_json_ json_object *o = NULL;
        Prediction p;

        assert_int_equal(rules_model_new(&rules), 0);
        put_row(&t, "b", CLASS_IDLE, 0);
        model_predict(rules, t.rows[0].x, 1, &p);
        /* One program it knows, one that it takes for something else. */
        t.rows[0].label = prediction_class(&p);
        put_row(&t, "a", (LoadClass)((prediction_class(&p) + 1) % _CLASS_COUNT), 0);
        assert_int_equal(evaluate_model(rules, &t, &e), 0);
        assert_int_equal(e.n_programs, 2);
        assert_string_equal(e.programs[0].program, "a");
        assert_true(fabs(evaluation_program_accuracy(&e) - 0.5) < 1e-12);
        assert_true(fabs(confusion_accuracy(&e.confusion) - 0.5) < 1e-12);
        o = evaluation_to_json(&e);
        assert_non_null(strstr(json_object_to_json_string(o), "\"program_accuracy\": 0.5000"));
}

/* ---- JSON ---- */

static char *write_temporary(const char *text) {
        char *path = strdup("/tmp/aikm-train.XXXXXX");
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
        return path;
}

static void removep(char **path) {
        unlink(*path);
        free(*path);
}

static void test_split(void **state) {
        _cleanup_(removep)
        char *path = write_temporary(
                "{\"train\": [\"a\", \"b\"], \"validation\": [], \"test\": [\"c\"]}");
        _cleanup_(split_done)
        Split s = SPLIT_INIT;
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        Error e = ERROR_INIT;

        assert_int_equal(split_read(path, &s, &e), 0);
        assert_int_equal(split_side(&s, "b"), SIDE_TRAIN);
        assert_int_equal(split_side(&s, "c"), SIDE_TEST);
        assert_int_equal(split_side(&s, "d"), -ENOENT);
        put_row(&t, "c", CLASS_IDLE, 0);
        assert_int_equal(split_check(&s, &t, &e), 0);
        put_row(&t, "d", CLASS_IDLE, 0);
        assert_int_equal(split_check(&s, &t, &e), -EINVAL);
        assert_non_null(strstr(e.text, "program 'd'"));
}

static void test_split_bad(void **state) {
        static const struct {
                const char *text, *message;
        } table[] = {
                {"", ":1: "},
                {"[]", "not a JSON object"},
                {"{\"train\": [],\n \"validation\": [], \"test\": ]}", ":2: "},
                {"{\"train\": [], \"validation\": []}", "'test' is missing"},
                {"{\"train\": [], \"validation\": [], \"test\": [], \"extra\": []}",
                 "unknown key 'extra'"},
                {"{\"train\": [\"a\"], \"validation\": [], \"test\": [\"a\"]}",
                 "program 'a' is in 'train' and in 'test'"},
                {"{\"train\": 3, \"validation\": [], \"test\": []}", "'train' is not a list"},
                {"{\"train\": [3], \"validation\": [], \"test\": []}", "no string"},
                {"{\"train\": [\"a b\"], \"validation\": [], \"test\": []}", "not a program name"},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(removep)
                char *path = write_temporary(table[i].text);
                Split s = SPLIT_INIT;
                Error e = ERROR_INIT;

                assert_int_equal(split_read(path, &s, &e), -EINVAL);
                if (!strstr(e.text, table[i].message))
                        fail_msg("case %zu: '%s' does not say '%s'", i, e.text, table[i].message);
                assert_null(s.entries);
        }
}

#define RUN(comms)                                                                  \
        "{\"runs\": [{\"run\": \"r.1\", \"root\": 10, \"start\": 1, \"end\": 100, " \
        "\"comms\": " comms "}]}"

static void test_labels(void **state) {
        _cleanup_(removep)
        char *path = write_temporary(RUN(
                "{\"wrk\": null, \"nginx*\": {\"program\": \"nginx\", \"class\": \"server\"}}"));
        _cleanup_(labels_done)
        Labels l = LABELS_INIT;
        const LabelComm *c;
        Error e = ERROR_INIT;

        assert_int_equal(labels_read(path, &l, &e), 0);
        assert_int_equal(l.n, 1);
        assert_int_equal(l.runs[0].root, 10);
        assert_true(l.runs[0].end == 100 * USEC_PER_SEC);
        c = label_run_find(&l.runs[0], "nginx-worker");
        assert_non_null(c);
        assert_int_equal(c->intent, CLASS_SERVER);
        assert_null(label_run_find(&l.runs[0], "wrk"));
        assert_null(label_run_find(&l.runs[0], "bash"));
}

static LoadClass phase_class(const LabelRun *run, double from, double to) {
        LoadClass c = _CLASS_COUNT;

        if (label_run_class(run, CLASS_BATCH, (usec_t)(from * 1e6), (usec_t)(to * 1e6), &c) < 0)
                return _CLASS_COUNT;
        return c;
}

#define PHASES(list)                                                                           \
        "{\"runs\": [{\"run\": \"r.1\", \"root\": 10, \"start\": 1, \"end\": 100, \"comms\": " \
        "{\"busy\": {\"program\": \"busy\", \"class\": \"batch\"}}, \"phases\": " list "}]}"

static void test_phases(void **state) {
        _cleanup_(removep)
        char *path = write_temporary(PHASES(
                "[{\"start\": 10, \"class\": \"server\"}, {\"start\": 20, \"class\": \"idle\"}, "
                "{\"start\": 30, \"class\": null}, {\"start\": 40, \"class\": \"intent\"}, "
                "{\"start\": 41, \"class\": \"server\"}, {\"start\": 43.5, \"class\": "
                "\"intent\"}]"));
        _cleanup_(labels_done)
        Labels l = LABELS_INIT;
        const LabelRun *run;
        Error e = ERROR_INIT;

        assert_int_equal(labels_read(path, &l, &e), 0);
        run = &l.runs[0];
        assert_int_equal(run->n_phases, 6);
        assert_int_equal(phase_class(run, 10, 15), CLASS_SERVER);
        assert_int_equal(phase_class(run, 17, 22), CLASS_SERVER);
        assert_int_equal(phase_class(run, 18, 23), CLASS_IDLE);
        /* Of two that cover the same, the first. */
        assert_int_equal(phase_class(run, 17.5, 22.5), CLASS_SERVER);
        /* Before the first phase, and within null, there is no label; some of it does no harm. */
        assert_int_equal(phase_class(run, 5, 10), _CLASS_COUNT);
        assert_int_equal(phase_class(run, 7, 12), _CLASS_COUNT);
        assert_int_equal(phase_class(run, 8, 13), CLASS_SERVER);
        assert_int_equal(phase_class(run, 27, 32), CLASS_IDLE);
        assert_int_equal(phase_class(run, 28, 33), _CLASS_COUNT);
        assert_int_equal(phase_class(run, 32, 37), _CLASS_COUNT);
        /* Two phases of one class count together. */
        assert_int_equal(phase_class(run, 40.2, 45.2), CLASS_BATCH);
        /* Beyond the run's end. */
        assert_int_equal(phase_class(run, 95, 100), CLASS_BATCH);
        assert_int_equal(phase_class(run, 95.5, 100.5), _CLASS_COUNT);
}

static void test_phases_bad(void **state) {
        static const struct {
                const char *text, *message;
        } table[] = {
                {PHASES("7"), "run 'r.1': 'phases' is not a list"},
                {PHASES("[]"), "run 'r.1': 'phases' is not a list"},
                {PHASES("[7]"), "phase 1: not an object"},
                {PHASES("[{\"class\": \"idle\"}]"), "phase 1: 'start'"},
                {PHASES("[{\"start\": -1, \"class\": \"idle\"}]"), "seconds since boot"},
                {PHASES("[{\"start\": 1}]"), "'class' is missing"},
                {PHASES("[{\"start\": 1, \"class\": \"disk\"}]"), "'disk' is neither"},
                {PHASES("[{\"start\": 1, \"class\": 3}]"), "phase 1: 'class'"},
                {PHASES("[{\"start\": 2, \"class\": null}, {\"start\": 1, \"class\": null}]"),
                 "phase 2: begins before"},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(removep)
                char *path = write_temporary(table[i].text);
                _cleanup_(labels_done)
                Labels l = LABELS_INIT;
                Error e = ERROR_INIT;

                assert_int_equal(labels_read(path, &l, &e), -EINVAL);
                if (!strstr(e.text, table[i].message))
                        fail_msg("'%s' does not say '%s'", e.text, table[i].message);
        }
}

static void test_labels_bad(void **state) {
        static const struct {
                const char *text, *message;
        } table[] = {
                {"{}", "'runs' is missing"},
                {"{\"runs\": [3]}", "run 1: not an object"},
                {RUN("{\"a\": 3}"), "run 'r.1': 'a' is neither null nor an object"},
                {RUN("{\"a\": {\"program\": \"a\", \"class\": \"disk\"}}"), "unknown class 'disk'"},
                {RUN("{\"a\": {\"class\": \"io\"}}"), "'program' is missing"},
                {RUN("[]"), "'comms' is missing or not an object"},
                {"{\"runs\": [{\"run\": \"r\", \"root\": 0, \"start\": 1, \"end\": 2, \"comms\": "
                 "{}}]}",
                 "root must be a process id"},
                {"{\"runs\": [{\"run\": \"r\", \"root\": 4, \"start\": 3, \"end\": 2, \"comms\": "
                 "{}}]}",
                 "start <= end"},
                {"{\"runs\": [{\"run\": \"r\", \"root\": 4, \"start\": \"x\", \"end\": 2, "
                 "\"comms\": {}}]}",
                 "'start' is missing or not a number"},
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(removep)
                char *path = write_temporary(table[i].text);
                Labels l = LABELS_INIT;
                Error e = ERROR_INIT;

                assert_int_equal(labels_read(path, &l, &e), -EINVAL);
                if (!strstr(e.text, table[i].message))
                        fail_msg("case %zu: '%s' does not say '%s'", i, e.text, table[i].message);
                assert_null(l.runs);
        }
}

/* ---- samples to rows ---- */

typedef struct World {
        Sample sample;
        Labels labels;
        RowTable table;
        Extract *extract;
} World;

static void world_done(World *w) {
        sample_done(&w->sample);
        labels_done(&w->labels);
        row_table_done(&w->table);
        extract_free(w->extract);
}

static void world_init(World *w) {
        _cleanup_(removep)
        char *path = write_temporary(
                RUN("{\"busy\": {\"program\": \"busy\", \"class\": \"batch\"}, \"lazy\": "
                    "{\"program\": \"lazy\", \"class\": \"server\"}, \"helper\": null}"));
        Error e = ERROR_INIT;

        *w = (World){.sample = SAMPLE_INIT, .table = ROW_TABLE_INIT};
        assert_int_equal(labels_read(path, &w->labels, &e), 0);
        assert_int_equal(extract_new(&w->labels, &w->table, &w->extract), 0);
}

static ProcSample *put_proc(World *w, pid_t pid, pid_t ppid, const char *comm, uint64_t exec_ms) {
        ProcSample *p = sample_add(&w->sample);

        assert_non_null(p);
        p->pid = pid;
        p->ppid = ppid;
        p->start = 5;
        p->valid = SAMPLE_ALL;
        p->n_threads = 1;
        snprintf(p->comm, sizeof(p->comm), "%s", comm);
        p->exec_ns = exec_ms * 1000000;
        p->nvcsw = exec_ms / 2;
        return p;
}

static void tick(World *w, unsigned second) {
        w->sample.at = second * USEC_PER_SEC;
        sample_sort(&w->sample);
        assert_int_equal(extract_sample(w->extract, &w->sample), 0);
        sample_clear(&w->sample);
}

static size_t count_rows(const World *w, const char *program, LoadClass label) {
        size_t n = 0;

        for (size_t i = 0; i < w->table.n; i++)
                n += streq(w->table.rows[i].program, program) && w->table.rows[i].label == label;
        return n;
}

static void test_extract(void **state) {
        _cleanup_(world_done)
        World w;

        world_init(&w);
        for (unsigned s = 1; s <= 20; s++) {
                put_proc(&w, 10, 1, "helper", 10 * s);
                put_proc(&w, 11, 10, "busy", 1000 * s);
                /* Works for ten seconds, then next to nothing. */
                put_proc(&w, 12, 11, "lazy", s <= 10 ? 50 * s : 500)
                        ->nvcsw = s <= 10 ? s * 99 : 990 + (s - 8) / 4;
                put_proc(&w, 99, 1, "busy", 1000 * s);
                tick(&w, s);
        }
        /* Seen at 1; rows from 2 on whose five seconds end at 20: 2..15. */
        assert_int_equal(count_rows(&w, "busy", CLASS_BATCH), 14);
        assert_int_equal(count_rows(&w, "busy", CLASS_IDLE), 0);
        /* The label is of the next five seconds: from the tenth on there is nothing left to do. */
        assert_int_equal(count_rows(&w, "lazy", CLASS_SERVER), 8);
        assert_true(count_rows(&w, "lazy", CLASS_IDLE) >= 5);
        for (size_t i = 0; i < w.table.n; i++)
                assert_int_not_equal(w.table.rows[i].pid, 99);
}

/* A pause of eight seconds belongs to the work around it; one that lasts is idle from its start. */
static void test_extract_pause(void **state) {
        _cleanup_(world_done)
        World w;
        size_t dormant = 0;

        world_init(&w);
        for (unsigned s = 1; s <= 60; s++) {
                unsigned worked = MIN(s, 10U) + (s > 18 ? MIN(s, 30U) - 18 : 0);

                put_proc(&w, 11, 10, "helper", 0);
                put_proc(&w, 10, 1, "lazy", 50 * worked);
                tick(&w, s);
        }
        /* 2..29 look at work, the pause among them; 30..55 at nothing. */
        assert_int_equal(count_rows(&w, "lazy", CLASS_SERVER), 28);
        assert_int_equal(count_rows(&w, "lazy", CLASS_IDLE), 26);
        assert_int_equal(w.table.n, 54);
        for (size_t i = 0; i < w.table.n; i++) {
                const Row *row = &w.table.rows[i];

                dormant += row->dormant;
                if (row->dormant)
                        assert_true(row->label == CLASS_IDLE && row->x[FEATURE_THREADS] == 0);
        }
        assert_int_equal(dormant, 16); /* asleep for ten seconds: 40..55 */
}

static void test_extract_exec(void **state) {
        _cleanup_(world_done)
        World w;

        world_init(&w);
        for (unsigned s = 1; s <= 20; s++) {
                put_proc(&w, 10, 1, s < 9 ? "lazy" : "busy", 1000 * s);
                tick(&w, s);
        }
        /* As lazy at 2 and 3, whose horizon ends before it became another program. */
        assert_int_equal(count_rows(&w, "lazy", CLASS_SERVER), 2);
        assert_int_equal(count_rows(&w, "busy", CLASS_BATCH), 7);
        assert_int_equal(w.table.n, 9);
}

static void test_extract_end_of_run(void **state) {
        _cleanup_(world_done)
        World w;

        world_init(&w);
        for (unsigned s = 90; s <= 120; s++) {
                put_proc(&w, 10, 1, "busy", 1000 * s);
                tick(&w, s);
        }
        assert_int_equal(w.table.n, 5); /* 91..95 */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows_round_trip), cmocka_unit_test(test_rows_bad),
                cmocka_unit_test(test_rows_empty),      cmocka_unit_test(test_sampler_is_even),
                cmocka_unit_test(test_standard),        cmocka_unit_test(test_sampler_empty),
                cmocka_unit_test(test_confusion),       cmocka_unit_test(test_evaluate),
                cmocka_unit_test(test_split),           cmocka_unit_test(test_split_bad),
                cmocka_unit_test(test_labels),          cmocka_unit_test(test_labels_bad),
                cmocka_unit_test(test_phases),          cmocka_unit_test(test_phases_bad),
                cmocka_unit_test(test_extract),         cmocka_unit_test(test_extract_pause),
                cmocka_unit_test(test_extract_exec),    cmocka_unit_test(test_extract_end_of_run),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
