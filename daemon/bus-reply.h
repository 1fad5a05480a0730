/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The answer to a method, an array, written in one go: the first failure is kept, all that would be
 * written after it is not, and reply_send() returns it. Nobody in between has to look.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

typedef struct Reply {
        sd_bus_message *message;
        int error; /* the first one's -errno; 0: none */
} Reply;

/* Opens an array of contents: "{sv}", or "a{sv}" for rows. */
Reply reply_begin(sd_bus_message *request, const char *contents);
/* Closes the array and sends it. Returns what a handler of a method returns. */
int reply_send(Reply *reply);
void reply_done(Reply *reply);

/* Makes reply_send() return r if r is negative and nothing failed yet. */
void reply_fail(Reply *reply, int r);

/* An element of the array that is open, as sd_bus_message_append() takes it. */
void reply_append(Reply *reply, const char *types, ...);

/* "key": value, into an a{sv} that is open. */
void reply_put(Reply *reply, const char *key, const char *type, ...);
void reply_put_string(Reply *reply, const char *key, const char *value);
void reply_put_u32(Reply *reply, const char *key, uint32_t value);
void reply_put_u64(Reply *reply, const char *key, uint64_t value);
void reply_put_double(Reply *reply, const char *key, double value);
void reply_put_bool(Reply *reply, const char *key, bool value);

/* An a{sv} as an element of the array that is open. */
void reply_open_row(Reply *reply);
void reply_close_row(Reply *reply);

/* "key": an array of contents, into an a{sv} that is open. */
void reply_open_array(Reply *reply, const char *key, const char *contents);
void reply_close_array(Reply *reply);
