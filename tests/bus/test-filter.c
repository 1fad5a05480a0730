/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Filter on request: attached, looked at, enforcing for a time, refused; and who may. */

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/bus/filter-fixture.h"
#include "tests/harness/filter-subject.h"
#include "util/time.h"

#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define NO_SUCH_INTERFACE "org.aikm1.Error.NoSuchInterface"
#define NO_SUCH_MODEL "org.aikm1.Error.NoSuchModel"
#define MODEL_REFUSED "org.aikm1.Error.ModelRefused"
#define INTERFACE_BUSY "org.aikm1.Error.InterfaceBusy"

/* --- on request ------------------------------------------------------------------------------ */

static void test_nothing_unasked(void **state) {
        const Fixture *f = *state;

        assert_false(only(f).there);
        assert_false(is_attached());
        assert_true(access(filter_dir, F_OK) < 0);
        assert_int_equal(fixture_status_u32(f->bus, "Filters"), 0);
}

static void test_attach_and_detach(void **state) {
        const Fixture *f = *state;
        Row row;

        call(f, NULL, "Attach", "f0", "all");
        row = only(f);
        assert_string_equal(row.model, "all");
        assert_string_equal(row.mode, "shadow");
        assert_string_equal(row.path, "native");
        assert_false(row.by_policy);
        assert_true(is_attached() && is_pinned());
        assert_int_equal(in_force(f), 1);
        assert_int_equal(fixture_status_u32(f->bus, "Filters"), 1);
        /* Judged and passed. */
        row = judge(f, 7, 64);
        assert_int_equal(row.malicious, 64);
        assert_int_equal(row.dropped, 0);
        /* Another model, the same counters. */
        call(f, INTERFACE_BUSY, "Attach", "f0", "all");
        call(f, NULL, "Attach", "f0", "never");
        row = judge(f, 7, 10);
        assert_string_equal(row.model, "never");
        assert_int_equal(row.packets, 74);
        assert_int_equal(row.malicious, 64);
        call(f, NULL, "Detach", "f0", NULL);
        assert_false(only(f).there || is_attached() || is_pinned());
        assert_int_equal(in_force(f), 0);
        call(f, NO_SUCH_FILTER, "Detach", "f0", NULL);
}

static const char *long_text(void) {
        static char text[1002] = "x";

        for (size_t i = 1; i + 2 < sizeof(text); i += 2)
                memcpy(text + i, "\xc3\xa4", 3);
        return text;
}

/* The complaint names what was given. */
static void refuse(const Fixture *f, const char *method, const char *interface, const char *says) {
        _cleanup_(sd_bus_error_free)
        sd_bus_error e = SD_BUS_ERROR_NULL;

        assert_true(sd_bus_call_method(f->bus, "org.aikm1", "/org/aikm1/filter", FILTER, method, &e,
                                       NULL, "ss", interface, "all") < 0);
        assert_string_equal(e.name, INVALID_ARGS);
        assert_non_null(strstr(e.message, says));
}

static void test_refusals(void **state) {
        const Fixture *f = *state;
        Subject foreign;
        Error e = ERROR_INIT;
        Filter *other = NULL;

        call(f, NO_SUCH_INTERFACE, "Attach", "nowhere", "all");
        call(f, NO_SUCH_MODEL, "Attach", "f0", "three");
        call(f, NO_SUCH_MODEL, "Attach", "f0", "");
        call(f, NO_SUCH_MODEL, "Attach", "f0", "/nowhere/x.bpf.o");
        call(f, MODEL_REFUSED, "Attach", "f0", "../filters/all");
        call(f, MODEL_REFUSED, "Attach", "f0", "broken");
        set_mode(f, NO_SUCH_FILTER, "enforce", LEASE);
        call(f, INVALID_ARGS, "Attach", "", "all");
        refuse(f, "Attach", "a/b", "\"a/b\" is not the name of a network interface");
        /* Texts are cut, and not through a character: the bus would take that for a broken one. */
        call(f, INVALID_ARGS, "Detach", "12345678901234\xc3\xa4", NULL);
        call(f, INVALID_ARGS, "AddAllowed", "f0", long_text());
        call(f, MODEL_REFUSED, "Attach", "f0", long_text());
        call(f, MODEL_REFUSED, "Attach", "f0", long_text() + 1);
        call(f, NO_SUCH_FILTER, "ListAllowed", "f0", NULL);
        call(f, NO_SUCH_FILTER, "Explain", "f0", "192.0.2.1");
        call(f, INVALID_ARGS, "Explain", "f0", "192.0.2.0/24");
        call(f, INVALID_ARGS, "AddAllowed", "f0", "192.0.2.1/24");
        assert_false(only(f).there || is_attached());
        assert_int_equal(in_force(f), 0);

        call(f, NULL, "Attach", "f0", "all");
        set_mode(f, INVALID_ARGS, "observe", 0);
        set_mode(f, INVALID_ARGS, "off", 0);
        set_mode(f, INVALID_ARGS, "enforce", 0);
        set_mode(f, INVALID_ARGS, "enforce", 24 * 3600 * USEC_PER_SEC + 1);
        set_mode(f, INVALID_ARGS, "shadow", 1);
        assert_string_equal(only(f).mode, "shadow");
        call(f, NULL, "Detach", "f0", NULL);

        /* Somebody else's program is left alone. */
        assert_int_equal(subject_load(objects, "always-0", 9, &foreign), 0);
        assert_int_equal(filter_attach(net.interface, &foreign.model, NULL, &other, &e), 0);
        call(f, INTERFACE_BUSY, "Attach", "f0", "all");
        assert_true(is_attached());
        assert_int_equal(in_force(f), 0);
        filter_free(other);
        subject_done(&foreign);
        assert_false(is_attached());
}

static void test_lease(void **state) {
        const Fixture *f = *state;
        Row row;

        call(f, NULL, "Attach", "f0", "all");
        /* So few that the kill switch has nothing to say. */
        set_mode(f, NULL, "enforce", 2 * USEC_PER_SEC);
        row = judge(f, 7, 50);
        assert_string_equal(row.mode, "enforce");
        assert_true(row.lease > 0 && row.lease <= 2 * USEC_PER_SEC);
        assert_int_equal(row.dropped, 50);
        assert_int_equal(fixture_status_u32(f->bus, "FiltersEnforcing"), 1);
        wait_mode(f, "shadow");
        row = judge(f, 7, 50);
        assert_int_equal(row.malicious, 100);
        assert_int_equal(row.dropped, 50);
        assert_int_equal(row.lease, 0);
        /* Ended before its time. */
        set_mode(f, NULL, "enforce", LEASE);
        assert_string_equal(only(f).mode, "enforce");
        set_mode(f, NULL, "shadow", 0);
        assert_int_equal(judge(f, 7, 50).dropped, 50);
        /* Whoever sets the daemon to observe wants nothing to be done any more. */
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "enforce"));
        set_mode(f, NULL, "enforce", LEASE);
        assert_int_equal(judge(f, 7, 10).dropped, 60);
        sd_bus_message_unref(fixture_call(f->bus, NULL, MANAGER, "SetMode", "s", "observe"));
        assert_int_equal(judge(f, 7, 10).dropped, 60);
}

static void test_allow_list(void **state) {
        const Fixture *f = *state;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        const char *prefix;
        int changed;
        Row row;

        call(f, NULL, "Attach", "f0", "all");
        set_mode(f, NULL, "enforce", LEASE);
        m = fixture_call(f->bus, NULL, FILTER, "AddAllowed", "ss", "f0", "192.0.2.7");
        assert_true(sd_bus_message_read(m, "b", &changed) > 0 && changed);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "AddAllowed", "ss", "f0", "192.0.2.7");
        assert_true(sd_bus_message_read(m, "b", &changed) > 0 && !changed);
        (void)judge(f, 7, 30);
        row = judge(f, 8, 20);
        assert_int_equal(row.allowed, 30);
        assert_int_equal(row.dropped, 20);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "ListAllowed", "s", "f0");
        assert_true(sd_bus_message_enter_container(m, 'a', "s") > 0);
        assert_true(sd_bus_message_read(m, "s", &prefix) > 0);
        assert_string_equal(prefix, "192.0.2.7");
        assert_int_equal(sd_bus_message_read(m, "s", &prefix), 0);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "RemoveAllowed", "ss", "f0", "192.0.2.7/32");
        assert_true(sd_bus_message_read(m, "b", &changed) > 0 && changed);
        assert_int_equal(judge(f, 7, 10).dropped, 30);
}

static bool has_sample(void *userdata) {
        const Fixture *f = userdata;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = fixture_call(f->bus, NULL, FILTER, "List", "");
        uint64_t n = 0;

        assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
        fixture_seek(m, "Samples", "t");
        assert_true(sd_bus_message_read(m, "t", &n) > 0);
        return n > 0;
}

static void explained_as(const Fixture *f, const char *source, const char *key, const char *value) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = fixture_call(f->bus, NULL, FILTER, "Explain", "ss", "f0", source);
        const char *text;

        fixture_seek(m, key, "s");
        assert_true(sd_bus_message_read(m, "s", &text) > 0);
        assert_string_equal(text, value);
}

static void test_explain(void **state) {
        Fixture *f = *state;
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *m = NULL;
        const char *name;
        uint64_t n;
        double value;
        int known;

        call(f, NULL, "Attach", "f0", "all");
        (void)judge(f, 7, 20);
        (void)judge(f, 8, 30);
        assert_true(fixture_wait(has_sample, f));
        explained_as(f, "192.0.2.7", "Class", "1 flood");
        explained_as(f, "192.0.2.7", "SampleVerdict", "malicious");
        explained_as(f, "192.0.2.7", "SampleDestination", "192.0.2.1");
        m = fixture_call(f->bus, NULL, FILTER, "Explain", "ss", "f0", "192.0.2.7");
        fixture_seek(m, "SampleFields", "a{sd}");
        assert_true(sd_bus_message_enter_container(m, 'a', "{sd}") > 0);
        assert_true(sd_bus_message_read(m, "{sd}", &name, &value) > 0);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "Explain", "ss", "f0", "192.0.2.99");
        fixture_seek(m, "Known", "b");
        assert_true(sd_bus_message_read(m, "b", &known) > 0 && !known);
        sd_bus_message_unref(m);
        m = fixture_call(f->bus, NULL, FILTER, "Top", "su", "f0", 1);
        assert_true(sd_bus_message_enter_container(m, 'a', "a{sv}") > 0);
        fixture_seek(m, "Packets", "t");
        assert_true(sd_bus_message_read(m, "t", &n) > 0);
        assert_int_equal(n, 30);
}

static int sealed(const char *data, size_t size) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
        return fd;
}

static void test_object(void **state) {
        const Fixture *f = *state;
        _cleanup_close_
        int object = -EBADF, sheet = -EBADF, wrong = -EBADF;
        Subject s;

        assert_int_equal(subject_load(objects, "always-1", 9, &s), 0);
        object = sealed(s.object, s.size);
        sheet = sealed("", 0);
        wrong = sealed("{\"malicious\": [99]}", 19);
        sd_bus_message_unref(fixture_call(f->bus, MODEL_REFUSED, FILTER, "AttachObject", "sshh",
                                          "f0", "mine", object, wrong));
        sd_bus_message_unref(fixture_call(f->bus, MODEL_REFUSED, FILTER, "AttachObject", "sshh",
                                          "f0", "mine", sheet, sheet));
        sd_bus_message_unref(fixture_call(f->bus, MODEL_REFUSED, FILTER, "AttachObject", "sshh",
                                          "f0", "mine", STDIN_FILENO, sheet));
        assert_false(only(f).there);
        sd_bus_message_unref(fixture_call(f->bus, NULL, FILTER, "AttachObject", "sshh", "f0",
                                          "mine", object, sheet));
        assert_string_equal(only(f).model, "mine");
        subject_done(&s);
}

/* --- who may --------------------------------------------------------------------------------- */

/* Without polkit root alone changes anything, and everybody sees how much there is. */
static void test_others(void **state) {
        const Fixture *f = *state;
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *nobody = fixture_connect_as(f, 65534);

        call(f, NULL, "Attach", "f0", "all");
        sd_bus_message_unref(fixture_call(nobody, NULL, FILTER, "List", ""));
        sd_bus_message_unref(fixture_call(nobody, NULL, FILTER, "ListAllowed", "s", "f0"));
        /* As with a packet socket: whose packets come in is not for everybody. */
        sd_bus_message_unref(fixture_call(nobody, ACCESS_DENIED, FILTER, "Top", "su", "f0", 5));
        sd_bus_message_unref(
                fixture_call(nobody, ACCESS_DENIED, FILTER, "Explain", "ss", "f0", "192.0.2.1"));
        sd_bus_message_unref(
                fixture_call(nobody, ACCESS_DENIED, FILTER, "Attach", "ss", "f0", "never"));
        sd_bus_message_unref(fixture_call(nobody, ACCESS_DENIED, FILTER, "Detach", "s", "f0"));
        sd_bus_message_unref(fixture_call(nobody, ACCESS_DENIED, FILTER, "SetMode", "sst", "f0",
                                          "enforce", LEASE));
        sd_bus_message_unref(
                fixture_call(nobody, ACCESS_DENIED, FILTER, "AddAllowed", "ss", "f0", "::/0"));
        assert_string_equal(only(f).mode, "shadow");
        assert_string_equal(only(f).model, "all");
}

static int run(int sender) {
        const struct CMUnitTest tests[] = {
                TEST(test_nothing_unasked), TEST(test_attach_and_detach),
                TEST(test_refusals),        TEST(test_lease),
                TEST(test_allow_list),      TEST(test_explain),
                TEST(test_object),          TEST(test_others),
        };

        filter_fixture_begin(sender);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char *argv[]) {
        return filter_fixture_main(argc, argv, run);
}
