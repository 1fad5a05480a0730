/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Sizes, spans and points in time as people write them. Pure: now is an argument. */

#include "util/error.h"
#include "util/time.h"

/* "512M": bytes, with K, M, G or T of 1024. Returns 0, or -EINVAL with *e saying what is accepted;
 * name: the option's. */
int parse_size(const char *name, const char *text, uint64_t *ret, Error *e);

/* "30d", "12h", "90min", "5s", "200ms"; a bare number is seconds. */
int parse_span(const char *name, const char *text, usec_t *ret, Error *e);

/* "2026-11-21", "2026-11-21 17:30[:05]" (local time), "@SECONDS" since 1970, "now", or a span
 * before now: "-2h". µs since 1970. */
int parse_when(const char *name, const char *text, int64_t now, int64_t *ret, Error *e);
