/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Numbers as people read them. Each writes into a buffer of FORMAT_MAX bytes and returns it, so
 * that calls can stand in an argument list. */

#include <stdbool.h>
#include <stdint.h>

#include "util/time.h"

#define FORMAT_MAX 64

/* 0B 512B 1.0K 12M 3.4G: powers of 1024, three digits at most before the letter. */
char *format_bytes(char buffer[FORMAT_MAX], double bytes);

/* 0us 350us 4.3ms 12s 3min 20s 2h 5min 4d 3h */
char *format_duration(char buffer[FORMAT_MAX], usec_t usec);

/* 0.25 -> "25%", 0.004 -> "0.4%"; a share that is not zero never reads as 0%. */
char *format_share(char buffer[FORMAT_MAX], double share);

/* A realtime stamp against now: "12s ago", and "in the future" where the clock was set back. */
char *format_age(char buffer[FORMAT_MAX], usec_t at, usec_t now);

/* A number for people: 0 1.5 12 1500 2.3M (powers of 1000). */
char *format_count(char buffer[FORMAT_MAX], double n);

/* A bar of cells columns, filled to share (0..1). */
void format_bar(char *buffer, unsigned size, double share, unsigned cells, bool utf8);
