/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The traffic filter's eyes in user space: the very source that the BPF program is made of, with
 * tables that grow instead of the kernel's maps. What training rows are made with, and what the
 * kernel's fields are held against, bit by bit.
 *
 * It forgets nothing: the kernel's maps drop the sources and flows that were longest unused once
 * they are full, so the two are equal as long as those do not overflow.
 */

#include <stddef.h>
#include <stdint.h>

#include "collectors/bpf/filter-fields.h"
#include "util/macro.h"

typedef struct FilterTwin FilterTwin;

int filter_twin_new(FilterTwin **ret);
FilterTwin *filter_twin_free(FilterTwin *t);
DEFINE_CLEANUP(FilterTwin *, filter_twin_free);

/* Forgets all sources and flows: between captures that have nothing to do with each other. */
void filter_twin_reset(FilterTwin *t);

/* A frame from its Ethernet header on; frame_length is size, or more where its end was not
 * captured. *ret is all zero unless the result is FILTER_KNOWN. */
enum filter_reason filter_twin_parse(const void *frame, size_t size, uint32_t frame_length,
                                     struct filter_packet *ret);

/* What a packet changed. Pointers hold until the next packet. */
typedef struct FilterTwinView {
        const struct filter_host *source;
        const struct filter_host *destination; /* NULL where not asked for */
        const struct filter_flow *flow;        /* the same */
        uint32_t way;                          /* of this packet in its flow */
} FilterTwinView;

#define FILTER_TWIN_SCOPES ((1U << PACKET_SCOPE_COUNT) - 1)

/* Counts a packet where `scopes` (bit by enum packet_scope; sources always) says, as a program does
 * whose model asks for no others. Returns 0 or -ENOMEM. */
int filter_twin_update(FilterTwin *t, const struct filter_packet *p, uint64_t now_ns,
                       unsigned scopes, FilterTwinView *ret);

/* Counts a packet, from a frame or put together by hand (a row of headers; kind and version have to
 * be set, and what does not apply is 0), and computes all fields. now_ns: since boot, or any other
 * beginning. Returns 0 or -ENOMEM. */
int filter_twin_track(FilterTwin *t, const struct filter_packet *p, uint64_t now_ns,
                      uint32_t ret_fields[PACKET_FIELD_COUNT]);

/* The fields of scope source alone as they stand at now_ns, without another packet; the others are
 * left as they are. */
void filter_twin_source_fields(const struct filter_host *source, uint64_t now_ns,
                               uint32_t ret_fields[PACKET_FIELD_COUNT]);
