/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * For tests of org.aikm1.Filter: interfaces of the test's own, a daemon with four models (all,
 * never, syn, and one that is broken), and packets for it to judge.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/bus/fixture.h"
#include "tests/harness/filter-net.h"

#define FILTER "org.aikm1.Filter"
#define MANAGER "org.aikm1.Manager"
#define NO_SUCH_FILTER "org.aikm1.Error.NoSuchFilter"
#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define LEASE UINT64_C(600000000)

extern FilterNet net;
extern const char *objects; /* the folder of tests' filter models */
extern char filter_dir[96]; /* what filters are pinned in */

/* A test's main with the arguments AIKMD OBJECT-FOLDER; run calls begin() and then cmocka. */
int filter_fixture_main(int argc, char *argv[], int (*run)(int sender));
void filter_fixture_begin(int sender);

/* A daemon of its own for each test. */
int setup(void **state);
int teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

void restart(Fixture *f, int signal, const char *mode);
/* Writes the configuration's "filter". */
void policy(const Fixture *f, const char *filter);
void reload(const Fixture *f);
/* Whether the daemon has logged that. */
bool log_says(const Fixture *f, const char *text);

/* What the daemon says of a filter. */
typedef struct Row {
        bool there;
        char model[64], mode[16], path[16];
        uint64_t packets, malicious, dropped, allowed, trips, lease, kill_min;
        double kill_share;
        int by_policy, tripped, suspended;
} Row;

/* The only filter; nothing where there is none. */
Row only(const Fixture *f);

typedef struct Wanted {
        const Fixture *f;
        const char *mode; /* NULL: no filter */
        int tripped;
} Wanted;

bool is_as_wanted(void *userdata);
void wait_mode(const Fixture *f, const char *mode);

/* Calls a method with one argument or, where b is not NULL, two. error: as fixture_call()'s. */
void call(const Fixture *f, const char *error, const char *method, const char *a, const char *b);
void set_mode(const Fixture *f, const char *error, const char *mode, uint64_t duration);

/* How many entries of the ledger are in force. */
uint32_t in_force(const Fixture *f);
/* Whether the kernel has a filter of ours on f0, whatever the daemon says. */
bool is_pinned(void);
bool is_attached(void);
/* A command line that has to succeed. */
void run_here(const char *command);

/* n frames to f0 from 192.0.2.source. */
void send_frames(unsigned source, size_t n);
/* What is wrong about one source is no reason for the kill switch: n of each of 40. */
void send_spread(size_t n);
/* Returns what the filter says after they have come in. */
Row judge(const Fixture *f, unsigned source, size_t n);
