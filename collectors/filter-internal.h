/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the files of the filter's loader share: the filter itself, its maps, and the program object.
 */

#include <bpf/libbpf.h>
#include <net/if.h>

#include "collectors/filter.h"

/* Maps that a folder keeps, by name: X(identifier, name) */
#define FILTER_MAPS(X)                \
        X(CONFIG, config)             \
        X(STATE, state)               \
        X(COUNTERS, counters)         \
        X(PROGRAMS, programs)         \
        X(ALLOW, allow)               \
        X(SOURCES, sources)           \
        X(DESTINATIONS, destinations) \
        X(FLOWS, flows)               \
        X(SAMPLES, samples)

typedef enum FilterMap {
#define X(id, name) FILTER_MAP_##id,
        FILTER_MAPS(X)
#undef X
                FILTER_MAP_COUNT
} FilterMap;

extern const char *const filter_map_names[FILTER_MAP_COUNT];

struct Filter {
        unsigned interface;     /* 0: none */
        char name[IF_NAMESIZE]; /* that it had when it was attached or adopted, for error texts */
        FilterPath path;
        char *pin_dir; /* NULL: not pinned */
        int link_fd;
        int program_fd; /* -EBADF where adopted */
        bool test_clock;
        enum filter_slot slot; /* of the program at work */
        int map_fds[FILTER_MAP_COUNT];
        struct filter_config *config; /* mapped */
        struct filter_state *state;   /* mapped */
        struct ring_buffer *ring;
        filter_sample_t callback;
        void *userdata;
};

Filter *filter_new(void);

/* Opens and checks an object; loads it with new maps, or with the filter's where it has them, for
 * that slot, and books it in the map `programs`. ret_fd: the program. */
int filter_object_load(Filter *f, const FilterModel *model, const FilterOptions *options,
                       enum filter_slot slot, int *ret_fd, Error *e);

/* Maps the pages of config and state. */
int filter_map_pages(Filter *f, Error *e);

/* The row of that slot. */
int filter_get_program(const Filter *f, enum filter_slot slot, struct filter_program *ret,
                       Error *e);

/* The kernel's id of the program that the link runs, and of the interface (0: gone). */
int filter_link_info(int link_fd, uint32_t *ret_program, unsigned *ret_interface);

/* Pins the filter's maps, then, last, its link: a folder without one is none. */
int filter_pin(Filter *f, const char *pin_dir, Error *e);
int filter_unpin(const char *pin_dir, Error *e);
/* The folder and what it is on; creates it. */
int filter_pin_prepare(const char *pin_dir, Error *e);

/* Whether an address is in it: an IPv4 one is in none of IPv6's, however short. */
bool filter_prefix_holds(const FilterPrefix *p, const uint8_t address[16]);

/* Adds the counters of a slot to those that are gone and clears it. */
int filter_counters_retire(Filter *f, enum filter_slot slot, Error *e);
