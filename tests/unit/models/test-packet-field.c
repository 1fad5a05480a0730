/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of packet fields: names, and the hash that models carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "models/packet-field.h"
#include "util/macro.h"

/* Whoever changes the table sees the new constant here. */
static void test_hash_is_that_of_the_table(void **state) {
        if (packet_field_hash() != PACKET_FIELDS_HASH)
                fail_msg("PACKET_FIELDS_HASH has to be 0x%016" PRIx64 "ULL", packet_field_hash());
}

static void test_names_are_identifiers_and_unique(void **state) {
        for (int i = 0; i < PACKET_FIELD_COUNT; i++) {
                const PacketFieldInfo *f = &packet_field_table[i];
                size_t n = strlen(f->name);

                assert_int_equal(strlen(f->id), n);
                for (size_t k = 0; k < n; k++)
                        assert_int_equal(toupper((unsigned char)f->name[k]), f->id[k]);
                assert_int_equal(packet_field_find(f->name), i);
                assert_true(f->max > 0);
        }
        assert_int_equal(packet_field_find("ttl"), -ENOENT);
}

static void test_scopes_stand_together(void **state) {
        for (size_t i = 1; i < PACKET_FIELD_COUNT; i++)
                assert_true(packet_field_table[i - 1].scope <= packet_field_table[i].scope);
        assert_string_equal(packet_scope_name(packet_field_table[PACKET_FIELD_FLOW_GAP].scope),
                            "flow");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hash_is_that_of_the_table),
                cmocka_unit_test(test_names_are_identifiers_and_unique),
                cmocka_unit_test(test_scopes_stand_together),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
