/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Until when a filter drops, as policy and people say; nothing of it asks the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/filters.h"

#define NOW (UINT64_C(1000) * NSEC_PER_SEC)

static void test_nobody_wants_it(void **state) {
        FilterEntry entry = {.by_policy = true};

        assert_int_equal(filter_entry_until(&entry, true, NOW), 0);
        assert_int_equal(filter_entry_until(&entry, false, NOW), 0);
}

static void test_lease(void **state) {
        FilterEntry entry = {.lease_ns = NOW + 5};

        /* Whatever the daemon's mode is: somebody said so, for this long. */
        assert_int_equal(filter_entry_until(&entry, false, NOW), NOW + 5);
        assert_int_equal(filter_entry_until(&entry, true, NOW), NOW + 5);
        assert_int_equal(filter_entry_until(&entry, true, NOW + 4), NOW + 5);
        assert_int_equal(filter_entry_until(&entry, true, NOW + 5), 0);
        assert_int_equal(filter_entry_until(&entry, true, NOW + 6), 0);
}

static void test_policy(void **state) {
        FilterEntry entry = {.by_policy = true, .policy_enforces = true};

        assert_int_equal(filter_entry_until(&entry, true, NOW), NOW + FILTER_POLICY_LEASE_NS);
        assert_int_equal(filter_entry_until(&entry, false, NOW), 0);
        /* It trips, or somebody asks for shadow: policy has no say any more … */
        entry.suspended = true;
        assert_int_equal(filter_entry_until(&entry, true, NOW), 0);
        /* … and a lease has. */
        entry.lease_ns = NOW + 1;
        assert_int_equal(filter_entry_until(&entry, true, NOW), NOW + 1);
}

static void test_the_later_counts(void **state) {
        FilterEntry entry = {.policy_enforces = true, .lease_ns = NOW + 1};

        assert_int_equal(filter_entry_until(&entry, true, NOW), NOW + FILTER_POLICY_LEASE_NS);
        entry.lease_ns = NOW + 2 * FILTER_POLICY_LEASE_NS;
        assert_int_equal(filter_entry_until(&entry, true, NOW), entry.lease_ns);
        assert_int_equal(filter_entry_until(&entry, false, NOW), entry.lease_ns);
}

static struct filter_sample sample(uint8_t host, uint8_t verdict, uint64_t at) {
        struct filter_sample s = {.verdict = verdict, .at_ns = at};

        s.source[15] = host;
        return s;
}

static void test_samples(void **state) {
        struct filter_sample recent[FILTER_RECENT];
        FilterEntry entry = {.recent = recent};
        const uint8_t bad[16] = {[15] = 1}, good[16] = {[15] = 2}, other[16] = {[15] = 3};

        assert_null(filter_entry_sample(&entry, bad));
        recent[entry.n_recent++] = sample(1, FILTER_MALICIOUS, 10);
        recent[entry.n_recent++] = sample(2, FILTER_BENIGN, 11);
        recent[entry.n_recent++] = sample(1, FILTER_BENIGN, 12);
        recent[entry.n_recent++] = sample(2, FILTER_BENIGN, 13);
        /* The one that says why comes before the last one. */
        assert_int_equal(filter_entry_sample(&entry, bad)->at_ns, 10);
        assert_int_equal(filter_entry_sample(&entry, good)->at_ns, 13);
        assert_null(filter_entry_sample(&entry, other));
        /* Round the ring: what is overwritten is forgotten. */
        for (uint64_t i = 0; i < FILTER_RECENT; i++)
                recent[entry.n_recent++ % FILTER_RECENT] = sample(3, FILTER_BENIGN, 100 + i);
        assert_null(filter_entry_sample(&entry, bad));
        assert_int_equal(filter_entry_sample(&entry, other)->at_ns, 100 + FILTER_RECENT - 1);
}

static void test_pins(void **state) {
        Filters f;
        char path[64];

        filters_init(&f, "/sys/fs/bpf/aikmd");
        filters_pin_dir(&f, 7, path, sizeof(path));
        assert_string_equal(path, "/sys/fs/bpf/aikmd/if7");
        assert_null(filters_find(&f, "eth0"));
        filters_done(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nobody_wants_it), cmocka_unit_test(test_lease),
                cmocka_unit_test(test_policy),          cmocka_unit_test(test_the_later_counts),
                cmocka_unit_test(test_samples),         cmocka_unit_test(test_pins),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
