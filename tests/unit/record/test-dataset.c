/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recordings into a data set and out of it again; its bounds; what is refused. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "record/import.h"
#include "record/label.h"
#include "record/playback.h"
#include "record/schema.h"
#include "record/writer.h"
#include "tests/replay/synthetic.h"
#include "tests/unit/folder.h"

#define SECONDS 40

typedef struct Place {
        char folder[64], db[128], recording[128];
} Place;

static int setup(void **state) {
        Place *p = calloc(1, sizeof(*p));

        snprintf(p->folder, sizeof(p->folder), "/tmp/test-dataset.XXXXXX");
        assert_non_null(mkdtemp(p->folder));
        snprintf(p->db, sizeof(p->db), "%s/dataset.db", p->folder);
        snprintf(p->recording, sizeof(p->recording), "%s/recording", p->folder);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        Place *p = *state;

        assert_int_equal(folder_remove(p->folder), 0);
        free(p);
        return 0;
}

/* A process that executes another program, one that dies and whose pid comes back, and rows of
 * random bytes: nothing may be lost on the way. */
static void make_sample(Sample *s, uint64_t second) {
        ProcSample *p;

        assert_int_equal(synthetic_sample(s, second), 0);
        s->psi[PSI_CPU] = (Psi){.some_total = second * 7, .full_total = second, .valid = 1};
        p = (ProcSample *)sample_find(s, 300);
        assert_non_null(p);
        if (second > 5)
                snprintf(p->comm, sizeof(p->comm), "executed");
        if (second > 9) {
                p = (ProcSample *)sample_find(s, 301);
                p->start += 500;
        }
        p = (ProcSample *)sample_find(s, 302);
        p->cpus_allowed = UINT64_MAX - second;
        p->nice = (int8_t)(second % 20 - 20);
        p->has_tty = second % 3 == 0;
        p->child_exec_ns = second << 40;
        p->system_ns = second << 41;
        p->rss_anon_bytes = second << 42;
        if (second == 12) {
                memmove(&s->procs[3], &s->procs[4], (s->n_procs - 4) * sizeof(*s->procs));
                s->n_procs--;
        }
}

static void make_recording(const char *path) {
        _cleanup_(pipeline_freep)
        Pipeline *pipeline = NULL;
        _cleanup_(recording_closep)
        Recording *recording = NULL;
        _cleanup_(policy_done)
        Policy policy = POLICY_INIT;
        _cleanup_(sample_done)
        Sample sample = SAMPLE_INIT;
        _cleanup_(model_freep)
        Model *model = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(policy_init_default(&policy), 0);
        assert_int_equal(config_apply_setting(&policy, "mode", "enforce", &e), 0);
        assert_int_equal(rules_model_new(&model), 0);
        assert_int_equal(recording_create(path, &policy, model, SYNTHETIC_SELF, &recording, &e), 0);
        assert_int_equal(pipeline_new(&policy, model, SYNTHETIC_SELF, &pipeline), 0);
        for (uint64_t second = 1; second <= SECONDS; second++) {
                make_sample(&sample, second);
                if (second == 6)
                        assert_int_equal(recording_write_exec(recording, 300), 0);
                assert_true(synthetic_tick(pipeline, recording, &sample) >= 0);
        }
}

static int64_t count(Store *s, const char *sql) {
        Error e = ERROR_INIT;
        int64_t n = -1;

        assert_int_equal(sql_get_i64(s->db, sql, -1, &n, &e), 0);
        return n;
}

static Store *open_new(const char *path, uint64_t max_size) {
        char aside[4096];
        Error e = ERROR_INIT;
        Store *s = NULL;

        assert_int_equal(store_open(path, max_size, 0, &s, aside, &e), 0);
        assert_string_equal(aside, "");
        return s;
}

static void run_sql(Store *s, const char *sql) {
        Error e = ERROR_INIT;

        if (sql_run(s->db, sql, &e) < 0)
                fail_msg("%s: %s", sql, e.text);
}

static void import_synthetic(Place *p, Store *s) {
        Imported imported = {0};
        Error e = ERROR_INIT;

        make_recording(p->recording);
        if (import_recording(s, p->recording, NULL, &imported, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(imported.streams, 1);
        assert_int_equal(imported.ticks, SECONDS);
}

/* What went in comes out, to the byte. */
static void test_samples_come_back(void **state) {
        _cleanup_(store_closep)
        Store *s = open_new(((Place *)*state)->db, 0);
        _cleanup_(playback_closep)
        Playback *playback = NULL;
        _cleanup_(sample_done)
        Sample expected = SAMPLE_INIT;
        PlaybackTick tick;
        Error e = ERROR_INIT;
        uint64_t second = 0;

        import_synthetic(*state, s);
        /* What sleeps costs nothing. */
        assert_true(count(s, "SELECT count(*) FROM samples") < SECONDS * 12);
        assert_int_equal(playback_open(s, INT64_MIN, INT64_MAX, &playback, &e), 0);
        while (playback_next(playback, &tick, &e) > 0) {
                make_sample(&expected, ++second);
                assert_int_equal(tick.fresh, second == 1);
                assert_int_equal(tick.sample.at, expected.at);
                assert_int_equal(tick.sample.n_cpus, expected.n_cpus);
                assert_memory_equal(tick.sample.psi, expected.psi, sizeof(expected.psi));
                assert_int_equal(tick.sample.n_procs, expected.n_procs);
                for (size_t i = 0; i < expected.n_procs; i++)
                        assert_memory_equal(&tick.sample.procs[i], &expected.procs[i],
                                            sizeof(ProcSample));
                assert_int_equal(tick.n_execs, second == 6);
        }
        assert_string_equal(e.text, "");
        assert_int_equal(second, SECONDS);
        assert_string_equal(playback_find(playback, 300)->comm, "executed");
        assert_string_equal(playback_find(playback, 304)->exe, "/usr/bin/x");
        assert_null(playback_find(playback, 305)->exe);
        assert_true(count(s, "SELECT count(*) FROM decisions WHERE kind = 'apply'") > 0);
        assert_true(count(s, "SELECT count(*) FROM feedback WHERE outcome = 'foreign'") > 0);
        assert_int_equal(count(s, "SELECT count(*) FROM events WHERE at IS NULL"), 0);
}

/* Every byte of a ProcSample is in some column, or is known not to be. */
static void test_columns_cover(void **state) {
        unsigned char covered[sizeof(ProcSample)] = {0};
        ProcSample random, back = {0};

        for (size_t i = 0; i < sizeof(random); i++)
                ((unsigned char *)&random)[i] = (unsigned char)(i * 37 + 11);
        for (size_t i = 0; i < n_sample_columns; i++) {
                const SampleColumn *c = &sample_columns[i];

                sample_column_set(c, &back, sample_column_get(c, &random));
                memset(covered + c->offset, 1, c->size);
        }
        memset(covered + offsetof(ProcSample, pid), 1, sizeof(back.pid));
        memset(covered + offsetof(ProcSample, start), 1, sizeof(back.start));
        memset(covered + offsetof(ProcSample, comm), 1, sizeof(back.comm));
        memset(covered + offsetof(ProcSample, pad), 1, sizeof(back.pad));
        for (size_t i = 0; i < sizeof(random); i++)
                if (!covered[i])
                        fail_msg("byte %zu of ProcSample is in no column", i);
        for (size_t i = 0; i < n_sample_columns; i++)
                assert_memory_equal((char *)&back + sample_columns[i].offset,
                                    (char *)&random + sample_columns[i].offset,
                                    sample_columns[i].size);
}

static void test_refused(void **state) {
        Place *p = *state;
        Store *s = open_new(p->db, 0), *again = NULL;
        char aside[4096];
        Error e = ERROR_INIT;

        assert_int_equal(count(s, "PRAGMA user_version"), SCHEMA_VERSION);
        run_sql(s, "PRAGMA user_version = 99");
        store_close(s);
        assert_int_equal(store_open(p->db, 0, 0, &again, aside, &e), -EPROTO);
        assert_non_null(strstr(e.text, "99"));
        e = ERROR_INIT;
        assert_int_equal(store_open_existing(p->db, true, &again, &e), -EPROTO);

        /* Another program's: neither used nor moved away. */
        assert_int_equal(unlink(p->db), 0);
        s = calloc(1, sizeof(*s));
        assert_int_equal(sqlite3_open(p->db, &s->db), SQLITE_OK);
        run_sql(s, "CREATE TABLE theirs(x)");
        store_close(s);
        e = ERROR_INIT;
        assert_int_equal(store_open(p->db, 0, 0, &again, aside, &e), -EMEDIUMTYPE);
        assert_int_equal(access(p->db, F_OK), 0);
        e = ERROR_INIT;
        assert_int_equal(store_open_existing("/nonexistent/x", false, &again, &e), -ENOENT);
        e = ERROR_INIT;
        assert_int_equal(store_open_existing("/dev/null", false, &again, &e), -EINVAL);
        assert_null(again);
}

static void damage(const char *path, off_t at, const void *data, size_t size) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, data, size, at), size);
        close(fd);
}

/* Three damaged ones are kept, the fourth pushes the first out; each time recording goes on. */
static void test_damage(void **state) {
        static const char garbage[8192] = {[0 ... 8191] = 'x'};
        Place *p = *state;
        char aside[4096], path[256];

        for (int i = 0; i < 5; i++) {
                Store *s = open_new(p->db, 0);
                Error e = ERROR_INIT;
                struct stat st;

                import_synthetic(p, s);
                assert_int_equal(unlink(p->recording), 0);
                store_shrink(s);
                store_close(s);
                assert_int_equal(stat(p->db, &st), 0);
                if (i == 0)
                        damage(p->db, 0, garbage, 512); /* the header */
                else if (i == 1)
                        assert_int_equal(truncate(p->db, st.st_size / 2), 0);
                else
                        damage(p->db, 4096 * i, garbage, sizeof(garbage));
                s = NULL;
                assert_int_equal(store_open(p->db, 0, 0, &s, aside, &e), 0);
                assert_string_not_equal(aside, "");
                assert_int_equal(access(aside, F_OK), 0);
                assert_int_equal(count(s, "SELECT count(*) FROM ticks"), 0);
                store_close(s);
                assert_int_equal(unlink(p->db), 0);
        }
        for (int i = 1; i <= 5; i++) {
                snprintf(path, sizeof(path), "%s.broken-%d", p->db, i);
                assert_int_equal(access(path, F_OK) == 0, i > 2);
        }
}

/* The writer's own segments, under a bound that is far too small for them. */
static void test_bounds(void **state) {
        Place *p = *state;
        _cleanup_(store_closep)
        Store *s = open_new(p->db, STORE_SIZE_MIN);
        _cleanup_(writer_freep)
        Writer *w = NULL;
        _cleanup_(reader_done)
        Reader reader = {0};
        StorePruned pruned = {0};
        RecordedHeader header;
        Error e = ERROR_INIT;
        StoreSize size;

        make_recording(p->recording);
        assert_int_equal(writer_new(s, &w), 0);
        for (int i = 0; i < 150; i++) {
                char uuid[16];
                WriterOrigin origin = {.boot_id = "boot", .name = "test", .uuid = uuid};

                snprintf(uuid, sizeof(uuid), "%d", i);
                origin.epoch = i * 100 * (int64_t)USEC_PER_SEC;
                reader_done(&reader);
                assert_int_equal(reader_open(&reader, p->recording, &e), 0);
                assert_int_equal(reader_header(&reader, &header, &e), 0);
                assert_int_equal(writer_begin(w, &header, "{}", 2, &origin, &e), 0);
                while (reader_next(&reader, &e) > 0)
                        if (writer_frame(w, &reader, &e) < 0)
                                fail_msg("%s", e.text);
                assert_int_equal(writer_end(w, &e), 0);
                if (store_keep_bounds(s, 0, &pruned, &e) < 0)
                        fail_msg("%s", e.text);
                assert_int_equal(store_get_size(s, &size, &e), 0);
                assert_in_range(size.main + size.log, 1, STORE_SIZE_MIN);
        }
        assert_true(pruned.ticks > 0);
        assert_true(count(s, "SELECT min(tick) FROM ticks") > 1);
        /* Nothing is left of what went. */
        assert_int_equal(count(s, "SELECT count(*) FROM samples WHERE tick NOT IN (SELECT tick "
                                  "FROM ticks)"),
                         0);
        assert_int_equal(count(s, "SELECT count(*) FROM processes WHERE stream NOT IN (SELECT "
                                  "stream FROM ticks)"),
                         0);
        assert_int_equal(count(s, "SELECT count(*) FROM programs WHERE process NOT IN (SELECT "
                                  "process FROM processes)"),
                         0);
        assert_int_equal(count(s, "SELECT complete FROM ticks ORDER BY tick LIMIT 1"), 1);

        /* By age: all but the newest segment. */
        pruned.ticks = 0;
        assert_int_equal(store_prune(s, INT64_MAX, 0, &pruned, &e), 0);
        assert_int_equal(count(s, "SELECT count(DISTINCT stream) FROM ticks"), 1);
        assert_true(count(s, "SELECT count(*) FROM ticks") > 0);
}

/* A writer that could not write follows, and says what is missing when it can again. */
static void test_hold(void **state) {
        Place *p = *state;
        _cleanup_(store_closep)
        Store *s = open_new(p->db, 0);
        _cleanup_(writer_freep)
        Writer *w = NULL;
        _cleanup_(reader_done)
        Reader reader = {0};
        _cleanup_(playback_closep)
        Playback *playback = NULL;
        RecordedHeader header;
        WriterOrigin origin = {.boot_id = "boot", .name = "test", .uuid = "u"};
        PlaybackTick tick;
        Error e = ERROR_INIT;
        int ticks = 0, fresh = 0, r;

        make_recording(p->recording);
        assert_int_equal(writer_new(s, &w), 0);
        assert_int_equal(reader_open(&reader, p->recording, &e), 0);
        assert_int_equal(reader_header(&reader, &header, &e), 0);
        assert_int_equal(writer_begin(w, &header, "{}", 2, &origin, &e), 0);
        while (reader_next(&reader, &e) > 0) {
                ticks += reader.head.type == FRAME_SAMPLE;
                if (ticks == 11 && reader.head.type == FRAME_SAMPLE)
                        assert_int_equal(writer_commit(w, &e), 0); /* 10 are safe */
                if (ticks == 16 && reader.head.type == FRAME_SAMPLE)
                        writer_hold(w); /* 11 to 15 are undone */
                if (ticks == 21 && reader.head.type == FRAME_SAMPLE)
                        writer_resume(w, "disk"); /* 16 to 20 were missed */
                assert_int_equal(writer_frame(w, &reader, &e), 0);
        }
        assert_int_equal(writer_end(w, &e), 0);
        assert_int_equal(writer_missed(w), 10);
        assert_int_equal(count(s, "SELECT sum(ticks) FROM losses WHERE why = 'disk'"), 10);
        assert_int_equal(count(s, "SELECT count(*) FROM ticks"), SECONDS - 10);
        assert_int_equal(playback_open(s, INT64_MIN, INT64_MAX, &playback, &e), 0);
        while ((r = playback_next(playback, &tick, &e)) > 0) {
                _cleanup_(sample_done)
                Sample expected = SAMPLE_INIT;

                fresh += tick.fresh;
                make_sample(&expected, tick.sample.at / USEC_PER_SEC - 100);
                assert_int_equal(tick.sample.n_procs, expected.n_procs);
                assert_memory_equal(tick.sample.procs, expected.procs,
                                    expected.n_procs * sizeof(ProcSample));
                if (sample_find(&tick.sample, 304))
                        assert_string_equal(playback_find(playback, 304)->exe, "/usr/bin/x");
        }
        assert_int_equal(r, 0);
        assert_int_equal(fresh, 2);
}

static void test_import(void **state) {
        Place *p = *state;
        _cleanup_(store_closep)
        Store *s = open_new(p->db, 0);
        _cleanup_(store_closep)
        Store *other = NULL;
        Imported imported = {0};
        Error e = ERROR_INIT;
        char path[160];
        int64_t first;

        import_synthetic(p, s);
        first = count(s, "SELECT min(tick) FROM ticks");
        assert_int_equal(import_recording(s, p->recording, NULL, &imported, &e), -EALREADY);
        assert_int_equal(count(s, "SELECT count(*) FROM ticks"), SECONDS);

        /* There and back: nothing comes twice, and what comes lies in front. */
        snprintf(path, sizeof(path), "%s/other.db", p->folder);
        other = open_new(path, 0);
        e = ERROR_INIT;
        assert_int_equal(import_database(other, p->db, &imported, &e), 0);
        assert_int_equal(imported.ticks, SECONDS);
        assert_int_equal(count(other, "SELECT count(*) FROM samples"),
                         count(s, "SELECT count(*) FROM samples"));
        assert_int_equal(import_database(s, path, &imported, &e), 0);
        assert_int_equal(imported.ticks, 0);
        assert_int_equal(count(s, "SELECT min(tick) FROM ticks"), first);

        /* A newer schema, and a file that is damaged: nothing comes at all. */
        run_sql(other, "PRAGMA user_version = 99");
        e = ERROR_INIT;
        assert_int_equal(import_database(s, path, &imported, &e), -EPROTO);
        assert_int_equal(truncate(p->recording, 5000), 0);
        damage(p->recording, 4000, "x", 1);
        e = ERROR_INIT;
        assert_true(import_recording(s, p->recording, NULL, &imported, &e) < 0);
        assert_int_equal(count(s, "SELECT count(*) FROM streams"), 1);
}

static void try_labels(Store *s, const char *path, const char *text, int result,
                       const char *message) {
        FILE *f = fopen(path, "we");
        Imported imported = {0};
        Error e = ERROR_INIT;
        int64_t before = count(s, "SELECT count(*) FROM labels");

        assert_non_null(f);
        fputs(text, f);
        fclose(f);
        assert_int_equal(import_labels(s, path, &imported, &e), result);
        if (message && !strstr(e.text, message))
                fail_msg("'%s' does not say '%s'", e.text, message);
        if (result < 0)
                assert_int_equal(count(s, "SELECT count(*) FROM labels"), before);
}

static void test_labels(void **state) {
        Place *p = *state;
        _cleanup_(store_closep)
        Store *s = open_new(p->db, 0);
        char path[160];

        snprintf(path, sizeof(path), "%s/labels.csv", p->folder);
        try_labels(s, path, "class,comm,note\nbatch,cc1*,\"a, \"\"b\"\"\"\nnone,sh,\n", 0, NULL);
        assert_int_equal(count(s, "SELECT count(*) FROM labels WHERE note = 'a, \"b\"'"), 1);
        assert_int_equal(count(s, "SELECT count(*) FROM labels WHERE class IS NULL"), 1);
        try_labels(s, path, "class,comm\nbatch,a\ndisk,b\n", -EINVAL, ":3: class 'disk'");
        try_labels(s, path, "class,comm\nbatch\n", -EINVAL, ":2: is not 2 fields");
        try_labels(s, path, "class,comm\nbatch,\"a\n", -EINVAL, ":2: is not 2 fields");
        try_labels(s, path, "class,name\nbatch,a\n", -EINVAL, ":1: column 'name'");
        try_labels(s, path, "class,pid\nbatch,7\n", -EINVAL, "a pid alone needs a beginning");
        try_labels(s, path, "class,pid,since\nbatch,-7,@5\n", -EINVAL, "'-7' is no pid");
        try_labels(s, path, "class,comm,since,until\nbatch,a,@9,@5\n", -EINVAL, "begins after");
        try_labels(s, path, "class,comm,program\nbatch,a,b c\n", -EINVAL, "program 'b c'");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_samples_come_back, setup, teardown),
                cmocka_unit_test(test_columns_cover),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hold, setup, teardown),
                cmocka_unit_test_setup_teardown(test_import, setup, teardown),
                cmocka_unit_test_setup_teardown(test_labels, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
