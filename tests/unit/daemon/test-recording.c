/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/recording-format.h"
#include "tests/replay/synthetic.h"

#define TICKS 8

/* A recording in memory, and where its frames are. */
typedef struct Tape {
        int fd;
        char path[32]; /* /proc/self/fd/N */
        unsigned char *bytes;
        size_t size;
        size_t frames[256]; /* offsets */
        size_t n_frames;
        Model *model;
        uint64_t n_decisions;
} Tape;

static FrameHead tape_head(const Tape *t, size_t i) {
        FrameHead head;

        memcpy(&head, t->bytes + t->frames[i], sizeof(head));
        return head;
}

static unsigned char *tape_payload(const Tape *t, size_t i) {
        return t->bytes + t->frames[i] + sizeof(FrameHead);
}

/* The first frame of a type behind `from`. */
static size_t tape_find(const Tape *t, FrameType type, size_t from) {
        for (size_t i = from; i < t->n_frames; i++)
                if (tape_head(t, i).type == type)
                        return i;
        fail_msg("no frame of type %d", type);
        return 0;
}

static void tape_store(const Tape *t, const void *data, size_t size, size_t offset) {
        assert_int_equal(pwrite(t->fd, data, size, (off_t)offset), size);
}

static void tape_restore(const Tape *t) {
        assert_int_equal(ftruncate(t->fd, (off_t)t->size), 0);
        tape_store(t, t->bytes, t->size, 0);
}

/* Writes frame i with another payload and check sums that fit. */
static void tape_forge(const Tape *t, size_t i, uint32_t type, const void *payload) {
        FrameHead head = tape_head(t, i);

        head.type = type;
        head.check = frame_check(head.type, head.size);
        head.hash = fnv1a64(FNV1A64_INIT, payload, head.size);
        tape_store(t, &head, sizeof(head), t->frames[i]);
        tape_store(t, payload, head.size, t->frames[i] + sizeof(head));
}

/* What the synthetic machine's program is known to be, and another. */
static void tape_put_priors(Recording *recording, Pipeline *pipeline) {
        const Prediction p = {.probability = {[CLASS_BATCH] = 1}};
        PriorTable t = {.limits = {.enabled = true, .max = 9, .half_life = USEC_PER_SEC * 86400}};
        PriorEntry entries[2];

        prior_learn(&t, &(Ident){.exe = "/usr/bin/x"}, "hog", &p, 0, PRIOR_LESSON, 1);
        prior_learn(&t, &(Ident){.exe = "/bin/gone"}, "gone", &p, 0, PRIOR_LESSON, 1);
        assert_int_equal(t.n, 2);
        entries[0] = *t.entries[0];
        entries[1] = *t.entries[1];
        prior_table_done(&t);
        assert_int_equal(recording_write_priors(recording, entries, 2), 0);
        assert_int_equal(pipeline_set_priors(pipeline, entries, 2), 0);
}

static int tape_setup(void **state) {
        _cleanup_(pipeline_freep)
        Pipeline *pipeline = NULL;
        _cleanup_(recording_closep)
        Recording *recording = NULL;
        _cleanup_(policy_done)
        Policy policy = POLICY_INIT;
        _cleanup_(sample_done)
        Sample sample = SAMPLE_INIT;
        Tape *t = calloc(1, sizeof(*t));
        Error e = ERROR_INIT;
        struct stat st;

        t->fd = memfd_create("tape", MFD_CLOEXEC);
        snprintf(t->path, sizeof(t->path), "/proc/self/fd/%d", t->fd);
        assert_int_equal(policy_init_default(&policy), 0);
        assert_int_equal(config_apply_setting(&policy, "mode", "enforce", &e), 0);
        assert_int_equal(rules_model_new(&t->model), 0);
        assert_int_equal(
                recording_create_fd(dup(t->fd), &policy, t->model, SYNTHETIC_SELF, &recording, &e),
                0);
        assert_int_equal(pipeline_new(&policy, t->model, SYNTHETIC_SELF, &pipeline), 0);
        tape_put_priors(recording, pipeline);
        for (uint64_t second = 1; second <= TICKS; second++) {
                int n;

                assert_int_equal(synthetic_sample(&sample, second), 0);
                if (second == 2) {
                        assert_int_equal(recording_write_policy(recording, &policy), 0);
                        assert_int_equal(recording_write_exec(recording, 300), 0);
                        assert_int_equal(recording_write_trial(recording, 0, MODE_OBSERVE), 0);
                        assert_int_equal(recording_write_rollback(recording, 301), 0);
                        assert_int_equal(recording_write_treated(recording, 302, 1302), 0);
                        assert_int_equal(pipeline_set_policy(pipeline, &policy), 0);
                        pipeline_note_exec(pipeline, 300);
                        pipeline_set_trial(pipeline, 0, MODE_OBSERVE);
                        pipeline_note_rollback(pipeline, 301);
                        pipeline_note_treated(pipeline, 302, 1302);
                        assert_int_equal(recording_write_forget(recording, "/bin/gone"), 0);
                        assert_int_equal(pipeline_forget_priors(pipeline, "/bin/gone"), 1);
                }
                n = synthetic_tick(pipeline, recording, &sample);
                assert_true(n >= 0);
                t->n_decisions += (uint64_t)n;
        }
        recording = recording_close(recording);

        assert_int_equal(fstat(t->fd, &st), 0);
        t->size = (size_t)st.st_size;
        t->bytes = malloc(t->size);
        assert_int_equal(pread(t->fd, t->bytes, t->size, 0), t->size);
        for (size_t at = RECORDING_MAGIC_SIZE; at < t->size;) {
                assert_true(t->n_frames < ELEMENTSOF(t->frames));
                t->frames[t->n_frames] = at;
                at += sizeof(FrameHead) + tape_head(t, t->n_frames++).size;
        }
        *state = t;
        return 0;
}

static int tape_teardown(void **state) {
        Tape *t = *state;

        close(t->fd);
        model_free(t->model);
        free(t->bytes);
        free(t);
        return 0;
}

static int replay(const Tape *t, ReplayResult *ret, Error *e) {
        *e = ERROR_INIT;
        return recording_replay(t->path, t->model, NULL, ret, e);
}

static void assert_whole(const Tape *t) {
        ReplayResult result;
        Error e;

        tape_restore(t);
        if (replay(t, &result, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(result.n_samples, TICKS);
        assert_int_equal(result.n_decisions, t->n_decisions);
        assert_int_equal(result.n_different, 0);
        assert_false(result.torn);
}

static void test_whole(void **state) {
        const Tape *t = *state;

        assert_true(t->n_decisions >= SYNTHETIC_HOGS);
        assert_whole(t);
}

static void test_torn(void **state) {
        const Tape *t = *state;
        size_t last = t->frames[t->n_frames - 1];
        ReplayResult result;
        Error e;

        for (size_t size = t->size - 1; size >= last; size--) {
                assert_int_equal(ftruncate(t->fd, (off_t)size), 0);
                if (replay(t, &result, &e) < 0)
                        fail_msg("%zu bytes: %s", size, e.text);
                assert_int_equal(result.torn, size > last);
                assert_int_equal(result.n_different, 0);
        }
        /* and anywhere else: torn or at a frame's end, never damaged, once the header is whole */
        tape_restore(t);
        for (size_t size = t->size; size >= t->frames[1]; size = size * 99 / 100) {
                assert_int_equal(ftruncate(t->fd, (off_t)size), 0);
                assert_int_equal(replay(t, &result, &e), 0);
        }
        for (size_t size = 0; size < t->frames[1]; size += 1 + size / 16) {
                assert_int_equal(ftruncate(t->fd, (off_t)size), 0);
                assert_int_equal(replay(t, &result, &e), -EPROTO);
        }
        assert_whole(t);
}

/* Every byte of a frame in the middle, head and payload: an error that names the frame's offset. */
static void test_damaged(void **state) {
        const Tape *t = *state;
        size_t i = tape_find(t, FRAME_FEEDBACK, tape_find(t, FRAME_DECISIONS, 1));
        char where[32];

        snprintf(where, sizeof(where), "at byte %zu:", t->frames[i]);
        for (size_t at = t->frames[i]; at < t->frames[i + 1]; at++) {
                unsigned char byte = t->bytes[at] ^ 0x10;
                ReplayResult result = {.n_samples = 99};
                Error e;

                tape_store(t, &byte, 1, at);
                assert_int_equal(replay(t, &result, &e), -EBADMSG);
                if (!strstr(e.text, where) || !strstr(e.text, t->path))
                        fail_msg("byte %zu: %s", at, e.text);
                assert_int_equal(result.n_samples, 99);
                tape_store(t, t->bytes + at, 1, at);
        }
        assert_whole(t);
}

/* What was decided differently is found, whichever part differs. */
static void test_different(void **state) {
        const Tape *t = *state;
        size_t i = tape_find(t, FRAME_DECISIONS, 1);
        RecordedDecision d;
        unsigned char payload[4096];
        ReplayResult result;
        Error e;

        while (tape_head(t, i).size < sizeof(RecordedCount) + sizeof(d))
                i = tape_find(t, FRAME_DECISIONS, i + 1);
        assert_true(tape_head(t, i).size <= sizeof(payload));
        for (size_t at = 0; at < offsetof(RecordedDecision, victim_comm); at += 4) {
                if (at == offsetof(RecordedDecision, pad))
                        continue;
                memcpy(payload, tape_payload(t, i), tape_head(t, i).size);
                payload[sizeof(RecordedCount) + at] ^= 1;
                tape_forge(t, i, FRAME_DECISIONS, payload);
                assert_int_equal(replay(t, &result, &e), 0);
                assert_int_equal(result.n_different, 1);
        }
        /* one decision less, as if it had not been recorded */
        memcpy(payload, tape_payload(t, i), tape_head(t, i).size);
        payload[sizeof(RecordedCount) + offsetof(RecordedDecision, comm)] ^= 1;
        tape_forge(t, i, FRAME_DECISIONS, payload);
        assert_int_equal(replay(t, &result, &e), 0);
        assert_int_equal(result.n_different, 1);
        assert_whole(t);
}

static void test_header(void **state) {
        static const struct {
                size_t offset;
                int error;
                const char *part;
        } cases[] = {
                {offsetof(RecordedHeader, version), EPROTO, "format version"},
                {offsetof(RecordedHeader, sample_size), EPROTO, "process records"},
                {offsetof(RecordedHeader, schema), EPROTO, "feature table"},
                {offsetof(RecordedHeader, model), EXDEV, "with model sules"},
                {offsetof(RecordedHeader, digest), EXDEV, "with model rules"},
                {sizeof(RecordedHeader), EBADMSG, "policy"},
        };
        const Tape *t = *state;
        _cleanup_free_
        unsigned char *payload = malloc(tape_head(t, 0).size);
        ReplayResult result;
        Error e;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                memcpy(payload, tape_payload(t, 0), tape_head(t, 0).size);
                payload[cases[i].offset] ^= 1;
                tape_forge(t, 0, FRAME_HEADER, payload);
                assert_int_equal(replay(t, &result, &e), -cases[i].error);
                if (!strstr(e.text, cases[i].part))
                        fail_msg("%s", e.text);
        }
        assert_whole(t);
}

/* Check sums that fit are no proof of sense. */
static void test_forged(void **state) {
        const Tape *t = *state;
        size_t sample = tape_find(t, FRAME_SAMPLE, 0), treated = tape_find(t, FRAME_TREATED, 0),
               trial = tape_find(t, FRAME_TRIAL, 0), ident = tape_find(t, FRAME_IDENT, 0),
               feedback = tape_find(t, FRAME_FEEDBACK, 0),
               decisions = tape_find(t, FRAME_DECISIONS, 0), priors = tape_find(t, FRAME_PRIORS, 0),
               forget = tape_find(t, FRAME_FORGET, 0);
        const size_t proc = sizeof(RecordedSample);
        const struct {
                size_t frame, offset;
                uint32_t type;
        } cases[] = {
                {sample, offsetof(RecordedSample, n_procs), FRAME_SAMPLE},
                {sample, offsetof(RecordedSample, n_procs) + 7, FRAME_SAMPLE},
                {sample, offsetof(RecordedSample, source), FRAME_SAMPLE},
                {sample, proc + offsetof(ProcSample, pid) + 3, FRAME_SAMPLE},
                {sample, proc + offsetof(ProcSample, pid) + 1, FRAME_SAMPLE},
                {sample, proc + offsetof(ProcSample, kthread), FRAME_SAMPLE},
                {sample, proc + offsetof(ProcSample, zombie), FRAME_SAMPLE},
                {sample, proc + offsetof(ProcSample, group_kind), FRAME_SAMPLE},
                {trial, offsetof(RecordedPid, number), FRAME_TRIAL},
                {ident, offsetof(RecordedPid, number), FRAME_IDENT},
                {ident, sizeof(RecordedPid) + offsetof(BuildId, kind), FRAME_IDENT},
                {ident, sizeof(RecordedPid) + offsetof(BuildId, size), FRAME_IDENT},
                {feedback, 0, FRAME_FEEDBACK},
                {feedback, sizeof(RecordedCount) + offsetof(RecordedDecision, kind),
                 FRAME_FEEDBACK},
                {feedback, sizeof(RecordedCount) + offsetof(RecordedDecision, verdict),
                 FRAME_FEEDBACK},
                {decisions, 0, FRAME_DECISIONS},
                {priors, offsetof(PriorEntry, name), FRAME_PRIORS},
                {priors, offsetof(PriorEntry, exe), FRAME_PRIORS},
                {priors, 0, FRAME_FORGET},
                {forget, sizeof(RecordedPid), FRAME_PRIORS},
                {treated, 0, FRAME_HEADER},
                {treated, 0, FRAME_SAMPLE},
                {treated, 0, FRAME_DECISIONS},
                {treated, 0, _FRAME_TYPE_COUNT},
                {treated, 0, 0},
                {0, 0, FRAME_POLICY},
        };
        _cleanup_free_
        unsigned char *payload = malloc(t->size);
        ReplayResult result;
        Error e;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                memcpy(payload, tape_payload(t, cases[i].frame), tape_head(t, cases[i].frame).size);
                payload[cases[i].offset] ^= 0xf0;
                tape_forge(t, cases[i].frame, cases[i].type, payload);
                if (replay(t, &result, &e) != -EBADMSG || !strstr(e.text, "at byte"))
                        fail_msg("case %zu: %s", i, e.text);
                tape_restore(t);
        }
        /* a name without an end */
        memcpy(payload, tape_payload(t, sample), tape_head(t, sample).size);
        memset(payload + proc + offsetof(ProcSample, comm), 'x', 16);
        tape_forge(t, sample, FRAME_SAMPLE, payload);
        assert_int_equal(replay(t, &result, &e), -EBADMSG);
        assert_whole(t);
}

/* Two thirds with check sums that fit, so that what is behind them is reached. */
static void test_mutations(void **state) {
        const Tape *t = *state;
        _cleanup_free_
        unsigned char *payload = malloc(t->size);
        uint64_t seed = 7, n_accepted = 0;

        for (unsigned i = 0; i < 10000; i++) {
                ReplayResult result;
                size_t frame, at;
                uint32_t size;
                Error e;

                seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
                frame = (seed >> 33) % t->n_frames;
                size = tape_head(t, frame).size;
                at = i % 3 == 0 || size == 0 ? 0 : (seed >> 20) % size;
                memcpy(payload, tape_payload(t, frame), size);
                if (i % 3 == 0) {
                        unsigned char byte = (unsigned char)(seed >> 50);

                        at = (seed >> 24) % t->size;
                        tape_store(t, &byte, 1, at);
                } else {
                        payload[at] = i % 3 == 1 ? (unsigned char)(seed >> 50)
                                                 : payload[at] ^ (unsigned char)(1 << (i % 8));
                        tape_forge(t, frame, tape_head(t, frame).type, payload);
                }
                if (replay(t, &result, &e) == 0)
                        n_accepted++;
                else
                        assert_true(e.text[0]);
                tape_store(t, t->bytes + at, i % 3 == 0 ? 1 : 0, at);
                tape_store(t, t->bytes + t->frames[frame], sizeof(FrameHead) + size,
                           t->frames[frame]);
        }
        assert_true(n_accepted > 100 && n_accepted < 10000);
        assert_whole(t);
}

/* Errors of the file itself. */
static void test_files(void **state) {
        const Tape *t = *state;
        _cleanup_(policy_done)
        Policy policy = POLICY_INIT;
        Recording *r = NULL;
        ReplayResult result;
        Error e = ERROR_INIT;
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "/tmp/test-recording-%d", getpid());
        assert_int_equal(policy_init_default(&policy), 0);
        assert_int_equal(recording_replay(path, t->model, NULL, &result, &e), -ENOENT);
        assert_non_null(strstr(e.text, path));
        assert_int_equal(recording_replay("/", t->model, NULL, &result, NULL), -EINVAL);
        assert_int_equal(recording_replay("/dev/zero", t->model, NULL, &result, NULL), -EINVAL);
        assert_int_equal(recording_replay("/dev/null", t->model, NULL, &result, NULL), -EINVAL);

        assert_int_equal(recording_create(path, &policy, t->model, 1, &r, NULL), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        r = recording_close(r);
        e = ERROR_INIT;
        assert_int_equal(recording_create(path, &policy, t->model, 1, &r, &e), -EEXIST);
        assert_non_null(strstr(e.text, path));
        assert_null(r);
        assert_int_equal(recording_replay(path, t->model, NULL, &result, NULL), 0);
        assert_int_equal(result.n_samples, 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(recording_create("/nowhere/x", &policy, t->model, 1, &r, NULL), -ENOENT);
}

/* The disk is full: at the start an error, later the end of the recording and nothing else. */
static void test_full_disk(void **state) {
        const Tape *t = *state;
        _cleanup_(policy_done)
        Policy policy = POLICY_INIT;
        _cleanup_(sample_done)
        Sample sample = SAMPLE_INIT;
        _cleanup_close_
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        Recording *r = NULL;
        Error e = ERROR_INIT;
        int fd = memfd_create("tape", MFD_CLOEXEC);
        int r_sample, r_decisions;

        assert_int_equal(policy_init_default(&policy), 0);
        assert_int_equal(recording_create_fd(dup(full), &policy, t->model, 1, &r, &e), -ENOSPC);
        assert_null(r);
        assert_true(e.text[0]);

        assert_int_equal(recording_create_fd(fd, &policy, t->model, 1, &r, NULL), 0);
        assert_int_equal(synthetic_sample(&sample, 1), 0);
        assert_int_equal(recording_write_sample(r, &sample), 0);
        assert_int_equal(recording_write_decisions(r, NULL, 0), 0);
        assert_true(dup3(full, fd, O_CLOEXEC) >= 0);
        r_sample = recording_write_sample(r, &sample);
        assert_true(r_sample == 0 || r_sample == -ENOSPC);
        r_decisions = recording_write_decisions(r, NULL, 0);
        assert_int_equal(r_decisions, -ENOSPC);
        assert_int_equal(recording_write_sample(r, &sample), -ENOSPC);
        assert_int_equal(recording_write_exec(r, 1), -ENOSPC);
        assert_int_equal(recording_write_policy(r, &policy), -ENOSPC);
        recording_close(r);
        assert_null(recording_close(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole),     cmocka_unit_test(test_torn),
                cmocka_unit_test(test_damaged),   cmocka_unit_test(test_different),
                cmocka_unit_test(test_header),    cmocka_unit_test(test_forged),
                cmocka_unit_test(test_mutations), cmocka_unit_test(test_files),
                cmocka_unit_test(test_full_disk),
        };

        return cmocka_run_group_tests(tests, tape_setup, tape_teardown);
}
