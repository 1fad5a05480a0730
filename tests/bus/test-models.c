/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Models: what is refused and why, what is chosen and outlives a restart, and that a
 * model changes between two looks while everything goes on. test-models AIKMD. */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/bus/fixture.h"
#include "tests/harness/model-maker.h"
#if HAVE_ONNX
#include "tests/harness/onnx-write.h"
#endif
#include "tests/harness/workers.h"
#include "util/io.h"
#include "util/macro.h"

#define MANAGER "org.aikm1.Manager"
#define MODELS "org.aikm1.Models"
#define POLICY "org.aikm1.Policy"
#define PROCESSES "org.aikm1.Processes"
#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define NO_SUCH_MODEL "org.aikm1.Error.NoSuchModel"
#define REFUSED "org.aikm1.Error.ModelRefused"
#define CONFIGURATION "org.aikm1.Error.Configuration"
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)
#define NOBODY 65534
#define SWAPS 60

static int sealed(const char *data, size_t size, int seals) {
        int fd = memfd_create("model", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        if (seals)
                assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

typedef struct Bundle {
        int fds[4];
} Bundle;

static void bundle_done(Bundle *b) {
        for (size_t i = 0; i < ELEMENTSOF(b->fds); i++)
                closep(&b->fds[i]);
}

static void bundle_make(const Fixture *f, const char *name, size_t n_wrong, size_t n_rows,
                        ModelFlaw flaw, Bundle *ret) {
        static const char *const suffixes[] = {".json", ".cfg", ".weights", ".validation.csv"};
        char dir[128], path[256];

        snprintf(dir, sizeof(dir), "%s/made-%s-%d", f->dir, name, flaw);
        assert_int_equal(model_maker(dir, name, n_wrong, n_rows, flaw), 0);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                _cleanup_free_
                char *data = NULL;
                size_t size = 0;

                snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffixes[i]);
                if (i < 3 || n_rows > 0)
                        assert_int_equal(io_read_all_at(AT_FDCWD, path, 1 << 24, &data, &size), 0);
                ret->fds[i] = sealed(data ?: "", size, SEALS);
        }
}

static void install_fds(const Fixture *f, const char *error, const Bundle *b, bool force) {
        sd_bus_message_unref(fixture_call(f->bus, error, MODELS, "Install", "hhhhb", b->fds[0],
                                          b->fds[1], b->fds[2], b->fds[3], (int)force));
}

static void install(const Fixture *f, const char *error, const char *name, size_t n_wrong,
                    size_t n_rows, ModelFlaw flaw, bool force) {
        _cleanup_(bundle_done)
        Bundle b;

        bundle_make(f, name, n_wrong, n_rows, flaw, &b);
        install_fds(f, error, &b, force);
}

static void use(const Fixture *f, const char *error, const char *name, bool force) {
        sd_bus_message_unref(fixture_call(f->bus, error, MODELS, "Use", "sb", name, (int)force));
}

static void rollback(const Fixture *f, const char *error) {
        sd_bus_message_unref(fixture_call(f->bus, error, MODELS, "Rollback", ""));
}

static void expect_model(const Fixture *f, const char *model, const char *chosen_by) {
        char text[64];

        fixture_status_string(f->bus, "Model", text, sizeof(text));
        assert_string_equal(text, model);
        fixture_status_string(f->bus, "ModelChosenBy", text, sizeof(text));
        assert_string_equal(text, chosen_by);
}

/* Each test has a state and a daemon of its own, whose shipped model takes two classes for each
 * other. */
static int setup(void **state) {
        char shipped[96];
        Fixture *f;

        assert_int_equal(fixture_setup(state), 0);
        f = *state;
        snprintf(shipped, sizeof(shipped), "%s/shipped", f->dir);
        assert_int_equal(model_maker(shipped, "default", 2, 0, FLAW_NONE), 0);
        assert_int_equal(setenv("AIKM_MODEL_DIR", shipped, 1), 0);
        f->model = "default";
        fixture_start_daemon(f, "observe");
        return 0;
}

static void restart(Fixture *f) {
        int status = fixture_stop_daemon(f, SIGTERM);

        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        fixture_start_daemon(f, "observe");
}

static void test_install_use_rollback(void **state) {
        Fixture *f = *state;

        expect_model(f, "default", "built-in");
        rollback(f, NO_SUCH_MODEL);
        install(f, NULL, "one", 0, 60, FLAW_NONE, false);
        install(f, NULL, "two", 0, 60, FLAW_NONE, false);
        expect_model(f, "default", "built-in"); /* to install is not to use */
        use(f, NULL, "one", false);
        use(f, NULL, "two", false);
        expect_model(f, "two", "use");
        restart(f);
        expect_model(f, "two", "use");
        rollback(f, NULL);
        expect_model(f, "one", "use");
        restart(f);
        expect_model(f, "one", "use");
        rollback(f, NULL);
        expect_model(f, "default", "built-in");
        rollback(f, NO_SUCH_MODEL);
        restart(f);
        expect_model(f, "default", "built-in");
        /* What ships with it and the rules need no rows to be trusted. */
        use(f, NULL, "rules", false);
        expect_model(f, "rules", "use");
        use(f, NULL, "default", false);
        expect_model(f, "default", "use");
}

static void test_worse_is_refused(void **state) {
        Fixture *f = *state;

        install(f, NULL, "good", 0, 60, FLAW_NONE, false);
        use(f, NULL, "good", false);
        /* Half of its classes wrong, on rows on which the current one has all right */
        install(f, REFUSED, "worse", 3, 60, FLAW_NONE, false);
        use(f, NO_SUCH_MODEL, "worse", false);
        install(f, NULL, "worse", 3, 60, FLAW_NONE, true);
        use(f, REFUSED, "worse", false);
        expect_model(f, "good", "use");
        use(f, NULL, "worse", true);
        expect_model(f, "worse", "use");
        use(f, NULL, "good", false);
        /* Nothing to judge by */
        install(f, REFUSED, "blind", 0, 0, FLAW_NONE, false);
        install(f, NULL, "blind", 0, 0, FLAW_NONE, true);
        use(f, REFUSED, "blind", false);
        use(f, NULL, "blind", true);
        expect_model(f, "blind", "use");
}

/* Force is for the score alone. */
static void test_flaws_are_refused(void **state) {
        Fixture *f = *state;

        for (int flaw = FLAW_NONE + 1; flaw < _MODEL_FLAW_COUNT; flaw++)
                for (int force = 0; force < 2; force++)
                        install(f, flaw == FLAW_SCHEMA ? INVALID_ARGS : REFUSED, "flawed", 0, 60,
                                (ModelFlaw)flaw, force);
        use(f, NO_SUCH_MODEL, "flawed", true);
        expect_model(f, "default", "built-in");
}

/* What is in the store may go bad there. */
static void test_damaged_in_the_store(void **state) {
        Fixture *f = *state;
        char path[160], reason[256];
        _cleanup_close_
        int fd = -EBADF;

        install(f, NULL, "good", 0, 60, FLAW_NONE, false);
        install(f, NULL, "next", 0, 60, FLAW_NONE, false);
        use(f, NULL, "good", false);
        use(f, NULL, "next", false);
        snprintf(path, sizeof(path), "%s/state/models/good/good.weights", f->dir);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "x", 1, 40), 1);
        rollback(f, REFUSED);
        use(f, REFUSED, "good", true);
        sd_bus_message_unref(fixture_call(f->bus, REFUSED, MODELS, "Verify", "s", "good"));
        expect_model(f, "next", "use");
        snprintf(path, sizeof(path), "%s/state/models/next/next.cfg", f->dir);
        assert_int_equal(unlink(path), 0);
        /* The chosen one is unusable at the start: the shipped one steps in, and says so. */
        restart(f);
        fixture_status_string(f->bus, "Model", reason, sizeof(reason));
        assert_string_equal(reason, "default");
        fixture_status_string(f->bus, "ModelReason", reason, sizeof(reason));
        assert_non_null(strstr(reason, "next.cfg"));
}

#if HAVE_ONNX
/* What model_maker() made, as one file of ONNX. */
static void onnx_bundle_make(const Fixture *f, const char *name, size_t n_wrong, Bundle *ret) {
        char made[128], dir[128], path[256];
        const char *const suffixes[] = {".json", NULL, ".onnx", ".validation.csv"};

        snprintf(made, sizeof(made), "%s/made-%s", f->dir, name);
        snprintf(dir, sizeof(dir), "%s/onnx-%s", f->dir, name);
        assert_int_equal(model_maker(made, "made", n_wrong, 60, FLAW_NONE), 0);
        snprintf(path, sizeof(path), "%s/made.json", made);
        assert_int_equal(onnx_write_model(path, dir, name), 0);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                _cleanup_free_
                char *data = NULL;
                size_t size = 0;

                snprintf(path, sizeof(path), "%s/%s%s", i < 3 ? dir : made, i < 3 ? name : "made",
                         suffixes[i] ?: "");
                if (suffixes[i])
                        assert_int_equal(io_read_all_at(AT_FDCWD, path, 1 << 24, &data, &size), 0);
                ret->fds[i] = sealed(data ?: "", size, SEALS);
        }
}

static void expect_info(const Fixture *f, const char *name, const char *key, const char *wanted) {
        sd_bus_message *reply = fixture_call(f->bus, NULL, MODELS, "Info", "s", name);
        const char *value;

        fixture_seek(reply, key, "s");
        assert_true(sd_bus_message_read(reply, "s", &value) > 0);
        assert_string_equal(value, wanted);
        sd_bus_message_unref(reply);
}

/* A network of another format is a model like any other: tried, judged, chosen, kept. */
static void test_onnx(void **state) {
        Fixture *f = *state;
        _cleanup_(bundle_done)
        Bundle good, worse, torn;
        pid_t hog;
        int empty;

        onnx_bundle_make(f, "graph", 0, &good);
        install_fds(f, NULL, &good, false);
        sd_bus_message_unref(fixture_call(f->bus, NULL, MODELS, "Verify", "s", "graph"));
        expect_info(f, "graph", "Format", "onnx");
        expect_info(f, "default", "Format", "darknet");
        expect_info(f, "rules", "Format", "");
        use(f, NULL, "graph", false);
        expect_model(f, "graph", "use");
        /* It predicts: every answer is six probabilities, and a hog is inferred at every look. */
        hog = worker_hog(1);
        assert_true(hog > 0);
        usleep(500000);
        for (size_t i = 0; i < 20; i++) {
                sd_bus_message *reply = fixture_call(f->bus, NULL, PROCESSES, "Explain", "u",
                                                     (uint32_t)hog);
                double sum = 0, p, first = -1;
                bool different = false;
                const char *name;

                fixture_seek(reply, "Probabilities", "a{sd}");
                assert_true(sd_bus_message_enter_container(reply, 'a', "{sd}") > 0);
                while (sd_bus_message_read(reply, "{sd}", &name, &p) > 0) {
                        different |= first >= 0 && p != first;
                        first = p;
                        sum += p;
                }
                assert_true(different && fabs(sum - 1) < 1e-4);
                sd_bus_message_unref(reply);
                usleep(20000);
        }
        assert_true(fixture_status_u32(f->bus, "Inferred") > 0);
        worker_stop(hog);
        restart(f);
        expect_model(f, "graph", "use");
        /* Judged beside the current one on its rows, as any other. */
        onnx_bundle_make(f, "worse", 3, &worse);
        install_fds(f, REFUSED, &worse, false);
        install_fds(f, NULL, &worse, true);
        use(f, REFUSED, "worse", false);
        /* What is not as the manifest says */
        onnx_bundle_make(f, "torn", 0, &torn);
        close(torn.fds[1]);
        torn.fds[1] = sealed("[net]\n", 6, SEALS);
        install_fds(f, INVALID_ARGS, &torn, true); /* a cfg that nobody named */
        close(torn.fds[1]);
        torn.fds[1] = sealed("", 0, SEALS);
        empty = torn.fds[2];
        torn.fds[2] = sealed("", 0, SEALS);
        install_fds(f, INVALID_ARGS, &torn, true);
        close(torn.fds[2]);
        torn.fds[2] = sealed("no model", 8, SEALS);
        install_fds(f, REFUSED, &torn, true);
        close(torn.fds[2]);
        torn.fds[2] = empty;
        install_fds(f, NULL, &torn, false);
        use(f, NULL, "torn", false);
        rollback(f, NULL);
        expect_model(f, "graph", "use");
}
#endif

static void test_names(void **state) {
        static const char *const bad[] = {"",     "..",  "../default",   "/etc/passwd",
                                          ".new", "a b", "default.json", "x\ny"};
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                use(f, INVALID_ARGS, bad[i], true);
                sd_bus_message_unref(
                        fixture_call(f->bus, INVALID_ARGS, MODELS, "Remove", "s", bad[i]));
                sd_bus_message_unref(
                        fixture_call(f->bus, INVALID_ARGS, MODELS, "Info", "s", bad[i]));
                sd_bus_message_unref(
                        fixture_call(f->bus, INVALID_ARGS, MODELS, "Verify", "s", bad[i]));
        }
        use(f, NO_SUCH_MODEL, "nobody", true);
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, MODELS, "Remove", "s", "default"));
        install(f, INVALID_ARGS, "default", 0, 60, FLAW_NONE, true);
        install(f, INVALID_ARGS, "rules", 0, 60, FLAW_NONE, true);
        install(f, NULL, "taken", 0, 60, FLAW_NONE, true);
        install(f, INVALID_ARGS, "taken", 0, 60, FLAW_NONE, true);
        use(f, NULL, "taken", true);
        sd_bus_message_unref(fixture_call(f->bus, INVALID_ARGS, MODELS, "Remove", "s", "taken"));
        use(f, NULL, "default", true);
        sd_bus_message_unref(fixture_call(f->bus, NULL, MODELS, "Remove", "s", "taken"));
        sd_bus_message_unref(fixture_call(f->bus, NO_SUCH_MODEL, MODELS, "Remove", "s", "taken"));
}

/* Whatever a descriptor is, it is a good sealed memory file or the call fails at once. */
static void test_hostile_descriptors(void **state) {
        Fixture *f = *state;
        char fifo[96], file[96];
        _cleanup_free_
        char *big = calloc(1, (16 << 20) + 1);
        int pipes[2], fds[8];
        size_t n = 0;

        snprintf(fifo, sizeof(fifo), "%s/fifo", f->dir);
        snprintf(file, sizeof(file), "%s/bus.conf", f->dir);
        assert_non_null(big);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        fds[n++] = pipes[0];
        fds[n++] = pipes[1];
        fds[n++] = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fds[n++] = open(fifo, O_RDWR | O_CLOEXEC);
        fds[n++] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        fds[n++] = open(file, O_RDONLY | O_CLOEXEC);
        fds[n++] = sealed("{}", 2, 0);
        fds[n++] = sealed(big, (16 << 20) + 1, SEALS);
        for (size_t i = 0; i < n; i++) {
                assert_true(fds[i] >= 0);
                for (size_t place = 0; place < 4; place++) {
                        Bundle b;
                        int kept;

                        bundle_make(f, "m", 0, 60, FLAW_NONE, &b);
                        kept = b.fds[place];
                        b.fds[place] = fds[i];
                        install_fds(f, INVALID_ARGS, &b, true);
                        b.fds[place] = kept;
                        bundle_done(&b);
                }
                close(fds[i]);
        }
        install(f, NULL, "m", 0, 60, FLAW_NONE, false);
}

static void test_configuration_decides(void **state) {
        Fixture *f = *state;

        install(f, NULL, "good", 0, 60, FLAW_NONE, false);
        /* A setting of the bus holds until a model is chosen, which is the later word. */
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 1, "model", "rules"));
        expect_model(f, "rules", "policy");
        use(f, NULL, "good", false);
        expect_model(f, "good", "use");
        sd_bus_message_unref(fixture_call(f->bus, NULL, POLICY, "Reset", ""));
        expect_model(f, "good", "use");
        sd_bus_message_unref(
                fixture_call(f->bus, NULL, POLICY, "Set", "a(ss)", 1, "model", "good"));
        expect_model(f, "good", "policy");
        sd_bus_message_unref(fixture_call(f->bus, NULL, POLICY, "Reset", ""));
        /* The command line is not to be overruled. */
        f->model = "rules";
        restart(f);
        expect_model(f, "rules", "policy");
        use(f, CONFIGURATION, "good", true);
        rollback(f, CONFIGURATION);
        expect_model(f, "rules", "policy");
        f->model = "good";
        restart(f);
        expect_model(f, "good", "policy");
}

static void test_nobody_may(void **state) {
        Fixture *f = *state;
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                sd_bus *bus;
                Bundle b;

                bundle_make(f, "m", 0, 60, FLAW_NONE, &b);
                assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
                assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
                bus = fixture_connect(f);
                sd_bus_message_unref(fixture_call(bus, NULL, MODELS, "List", ""));
                sd_bus_message_unref(fixture_call(bus, NULL, MODELS, "Info", "s", "default"));
                fixture_call(bus, ACCESS_DENIED, MODELS, "Verify", "s", "default");
                fixture_call(bus, ACCESS_DENIED, MODELS, "Use", "sb", "rules", 1);
                fixture_call(bus, ACCESS_DENIED, MODELS, "Remove", "s", "default");
                fixture_call(bus, ACCESS_DENIED, MODELS, "Rollback", "");
                fixture_call(bus, ACCESS_DENIED, MODELS, "Install", "hhhhb", b.fds[0], b.fds[1],
                             b.fds[2], b.fds[3], 1);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        expect_model(f, "default", "built-in");
}

/* ---- under load ---- */

/* Asks on and on what it takes one process for; dies where an answer makes no sense. */
static pid_t start_asker(const Fixture *f, pid_t about) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        for (sd_bus *bus = fixture_connect(f);;) {
                sd_bus_message *reply = fixture_call(bus, NULL, PROCESSES, "Explain", "u",
                                                     (uint32_t)about);
                double sum = 0, p;
                const char *name;
                size_t n = 0;

                fixture_seek(reply, "Probabilities", "a{sd}");
                assert_true(sd_bus_message_enter_container(reply, 'a', "{sd}") > 0);
                while (sd_bus_message_read(reply, "{sd}", &name, &p) > 0) {
                        assert_true(isfinite(p) && p >= 0 && p <= 1);
                        sum += p;
                        n++;
                }
                if (n != 6 || fabs(sum - 1) > 1e-4)
                        _exit(3);
                sd_bus_message_unref(reply);
        }
}

typedef struct Seen {
        unsigned ticks;
        uint64_t last_at;
        bool backwards;
} Seen;

static int on_ticked(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Seen *s = userdata;
        uint32_t n_procs, n_treated;
        uint64_t at;

        assert_true(sd_bus_message_read(m, "tuu", &at, &n_procs, &n_treated) > 0);
        s->backwards |= at <= s->last_at || n_procs == 0;
        s->last_at = at;
        s->ticks++;
        return 0;
}

static void test_swap_under_load(void **state) {
        Fixture *f = *state;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = fixture_connect(f);
        _cleanup_(sd_bus_slot_unrefp)
        sd_bus_slot *slot = NULL;
        pid_t hog = worker_hog(2), askers[2];
        uint64_t before, after;
        Seen seen = {};
        char text[64];
        int status;

        assert_true(hog > 0);
        usleep(500000); /* until it has been looked at twice */
        install(f, NULL, "one", 0, 60, FLAW_NONE, false);
        install(f, NULL, "two", 0, 60, FLAW_NONE, false);
        use(f, NULL, "two", false);
        assert_true(sd_bus_match_signal(bus, &slot, "org.aikm1", NULL, MANAGER, "Ticked", on_ticked,
                                        &seen) >= 0);
        before = fixture_status_u64(f->bus, "Ticks");
        for (size_t i = 0; i < ELEMENTSOF(askers); i++)
                askers[i] = start_asker(f, hog);
        /* Some between every two looks, others with a look between */
        for (unsigned i = 0; i < SWAPS; i++) {
                use(f, NULL, i % 2 ? "two" : "one", false);
                fixture_status_string(f->bus, "Model", text, sizeof(text));
                assert_string_equal(text, i % 2 ? "two" : "one");
                /* A hog is inferred at every look. */
                assert_true(fixture_status_u32(f->bus, "Inferred") > 0);
                while (sd_bus_process(bus, NULL) > 0)
                        ;
                usleep(i % 3 ? 10000 : 130000);
        }
        after = fixture_status_u64(f->bus, "Ticks");
        for (size_t i = 0; i < ELEMENTSOF(askers); i++) {
                assert_int_equal(waitpid(askers[i], &status, WNOHANG), 0); /* still asking */
                assert_int_equal(kill(askers[i], SIGKILL), 0);
                assert_int_equal(waitpid(askers[i], NULL, 0), askers[i]);
        }
        worker_stop(hog);
        usleep(200000);
        while (sd_bus_process(bus, NULL) > 0)
                ;
        assert_false(seen.backwards);
        assert_true(after > before + 5);
        /* Every look was told of, none was lost to an exchange. */
        assert_true(seen.ticks >= after - before);
        status = fixture_stop_daemon(f, SIGTERM);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The recording goes on, and what the first model decided is decided again. */
static void test_recorded(void **state) {
        Fixture *f = *state;
        char record[96], state_dir[96], output[4096];

        (void)fixture_stop_daemon(f, SIGTERM);
        f->record = true;
        fixture_start_daemon(f, "observe");
        use(f, NULL, "default", false); /* the same again is no end */
        usleep(300000);
        install(f, NULL, "one", 0, 60, FLAW_NONE, false);
        use(f, NULL, "one", false);
        usleep(300000);
        (void)fixture_stop_daemon(f, SIGTERM);
        snprintf(record, sizeof(record), "--replay=%s/rec", f->dir);
        snprintf(state_dir, sizeof(state_dir), "--state-dir=%s/state", f->dir);
        assert_int_equal(
                fixture_run(f,
                            (const char *const[]){record, state_dir, "--config-dir=/nonexistent",
                                                  "--model=default", NULL},
                            output, sizeof(output)),
                1);
        /* "default" is what was chosen: one, and the recording begins with the shipped one. */
        assert_non_null(strstr(output, "was recorded with model default"));
        assert_int_equal(fixture_run(f,
                                     (const char *const[]){record, "--state-dir=/nonexistent",
                                                           "--config-dir=/nonexistent",
                                                           "--model=default", NULL},
                                     output, sizeof(output)),
                         0);
        assert_non_null(strstr(output, "goes on with model one after"));
        assert_non_null(strstr(output, " 0 different"));
}

int main(int argc, char *argv[]) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_install_use_rollback),
                TEST(test_worse_is_refused),
                TEST(test_flaws_are_refused),
                TEST(test_damaged_in_the_store),
#if HAVE_ONNX
                TEST(test_onnx),
#endif
                TEST(test_names),
                TEST(test_hostile_descriptors),
                TEST(test_configuration_decides),
                TEST(test_nobody_may),
                TEST(test_swap_under_load),
                TEST(test_recorded),
        };

        if (argc != 2) {
                fprintf(stderr, "usage: test-models AIKMD\n");
                return 2;
        }
        if (geteuid() != 0) {
                puts("needs root: the daemon writes to processes of any user");
                return 77;
        }
        fixture_aikmd = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
