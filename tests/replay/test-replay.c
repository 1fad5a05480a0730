/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A recorded run, replayed, gives the same decisions: every kind of input is in it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "tests/replay/synthetic.h"

#define SECONDS 60

typedef struct Run {
        char path[64];
        uint64_t n_decisions;
} Run;

static void apply(Policy *p, const char *json) {
        Error e = ERROR_INIT;

        if (config_apply_json(p, json, strlen(json), "test", &e) < 0)
                fail_msg("%s", e.text);
}

/* What else happens in a second, besides the sample. */
static void disturb(Pipeline *p, Recording *r, Policy *policy, uint64_t second) {
        switch (second) {
        case 9:
                assert_int_equal(recording_write_exec(r, SYNTHETIC_HOG), 0);
                pipeline_note_exec(p, SYNTHETIC_HOG);
                break;
        case 11:
                assert_int_equal(recording_write_rollback(r, SYNTHETIC_HOG + 1), 0);
                pipeline_note_rollback(p, SYNTHETIC_HOG + 1);
                break;
        case 36:
                apply(policy, "{\"classes\": {\"batch\": {\"nice\": 7}}, \"thresholds\":"
                              "{\"cool_down\": \"1s\"}, \"tunables\": {\"vm.swappiness\": 10}}");
                assert_int_equal(recording_write_policy(r, policy), 0);
                assert_int_equal(pipeline_set_policy(p, policy), 0);
                break;
        case 44:
                assert_int_equal(recording_write_trial(r, SYNTHETIC_HOG, MODE_ENFORCE), 0);
                pipeline_set_trial(p, SYNTHETIC_HOG, MODE_ENFORCE);
                break;
        case 50:
                assert_int_equal(recording_write_trial(r, 0, MODE_OBSERVE), 0);
                pipeline_set_trial(p, 0, MODE_OBSERVE);
                break;
        case 52:
                assert_int_equal(recording_write_treated(r, 300, 1300), 0);
                pipeline_note_treated(p, 300, 1300);
                break;
        default:
                break;
        }
}

static int record(void **state) {
        _cleanup_(pipeline_freep)
        Pipeline *pipeline = NULL;
        _cleanup_(recording_closep)
        Recording *recording = NULL;
        _cleanup_(model_freep)
        Model *model = NULL;
        _cleanup_(policy_done)
        Policy policy = POLICY_INIT;
        _cleanup_(sample_done)
        Sample sample = SAMPLE_INIT;
        Run *run = calloc(1, sizeof(*run));
        Error e = ERROR_INIT;

        snprintf(run->path, sizeof(run->path), "/tmp/test-replay-%d.aikmrec", getpid());
        assert_int_equal(policy_init_default(&policy), 0);
        apply(&policy, "{\"mode\": \"enforce\", \"tunables\": {\"vm.swappiness\":"
                       "{\"value\": 20, \"when\": \"cpu\"}}, \"rules\": [{\"name\": \"nobody\","
                       "\"match\": {\"comm\": \"server\", \"uid\": 4}, \"exempt\": true}]}");
        assert_int_equal(rules_model_new(&model), 0);
        if (recording_create(run->path, &policy, model, SYNTHETIC_SELF, &recording, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(pipeline_new(&policy, model, SYNTHETIC_SELF, &pipeline), 0);
        for (uint64_t second = 1; second <= SECONDS; second++) {
                int n;

                disturb(pipeline, recording, &policy, second);
                assert_int_equal(synthetic_sample(&sample, second), 0);
                n = synthetic_tick(pipeline, recording, &sample);
                assert_true(n >= 0);
                run->n_decisions += (uint64_t)n;
        }
        *state = run;
        return 0;
}

static int forget(void **state) {
        Run *run = *state;

        (void)unlink(run->path);
        free(run);
        return 0;
}

static void test_same_decisions(void **state) {
        const Run *run = *state;
        _cleanup_(model_freep)
        Model *model = NULL;
        _cleanup_free_
        char *first = NULL, *second = NULL;
        char **const logs[] = {&first, &second};
        ReplayResult result;
        Error e = ERROR_INIT;

        assert_int_equal(rules_model_new(&model), 0);
        for (size_t i = 0; i < ELEMENTSOF(logs); i++) {
                size_t size;
                FILE *log = open_memstream(logs[i], &size);

                if (recording_replay(run->path, model, log, &result, &e) < 0)
                        fail_msg("%s", e.text);
                fclose(log);
                if (result.n_different > 0)
                        print_message("%s", *logs[i]);
                assert_int_equal(result.n_different, 0);
                assert_int_equal(result.n_samples, SECONDS);
                assert_int_equal(result.n_decisions, run->n_decisions);
                assert_false(result.torn);
        }
        assert_string_equal(first, second);
        /* The run was worth recording: things were applied, tuned and put back. */
        assert_true(run->n_decisions >= 2 * SYNTHETIC_HOGS);
        assert_non_null(strstr(first, " apply "));
        assert_non_null(strstr(first, " release "));
        assert_non_null(strstr(first, " tune vm.swappiness=20"));
        assert_non_null(strstr(first, "(server)"));
        /* The server waits on, whatever is done to them. */
        assert_non_null(strstr(first, "verdict no-help"));
}

static int check_sample(const Sample *s, void *userdata) {
        uint64_t *second = userdata;
        _cleanup_(sample_done)
        Sample wanted = SAMPLE_INIT;

        assert_int_equal(synthetic_sample(&wanted, ++*second), 0);
        assert_int_equal(s->at, wanted.at);
        assert_int_equal(s->n_cpus, 2);
        assert_int_equal(s->n_procs, wanted.n_procs);
        assert_memory_equal(s->procs, wanted.procs, wanted.n_procs * sizeof(wanted.procs[0]));
        return *second == 40 ? 5 : 0;
}

static void test_samples(void **state) {
        static const RecordingVisitor visitor = {.sample = check_sample};
        const Run *run = *state;
        uint64_t second = 0;
        Error e = ERROR_INIT;

        assert_int_equal(recording_visit(run->path, &visitor, &second, &e), 5);
        assert_int_equal(second, 40);
}

typedef struct Seen {
        uint64_t samples, execs, at_exec;
} Seen;

static int count_sample(const Sample *s, void *userdata) {
        ++((Seen *)userdata)->samples;
        return 0;
}

static void count_exec(pid_t pid, void *userdata) {
        Seen *seen = userdata;

        assert_int_equal(pid, SYNTHETIC_HOG);
        seen->execs++;
        seen->at_exec = seen->samples;
}

static void test_all(void **state) {
        static const RecordingVisitor visitor = {.sample = count_sample, .exec = count_exec};
        const Run *run = *state;
        Seen seen = {0};
        Error e = ERROR_INIT;

        assert_int_equal(recording_visit(run->path, &visitor, &seen, &e), 0);
        assert_int_equal(seen.samples, SECONDS);
        assert_int_equal(seen.execs, 1);
        assert_int_equal(seen.at_exec, 8); /* disturb() */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_same_decisions),
                cmocka_unit_test(test_samples),
                cmocka_unit_test(test_all),
        };

        return cmocka_run_group_tests(tests, record, forget);
}
