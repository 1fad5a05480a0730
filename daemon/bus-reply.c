/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-reply.h"

#include <stdarg.h>
#include <stdio.h>

static void open_container(Reply *reply, char type, const char *contents) {
        if (reply->error >= 0)
                reply_fail(reply, sd_bus_message_open_container(reply->message, type, contents));
}

static void close_container(Reply *reply) {
        if (reply->error >= 0)
                reply_fail(reply, sd_bus_message_close_container(reply->message));
}

static void appendv(Reply *reply, const char *types, va_list arguments) {
        if (reply->error >= 0)
                reply_fail(reply, sd_bus_message_appendv(reply->message, types, arguments));
}

Reply reply_begin(sd_bus_message *request, const char *contents) {
        Reply reply = {};

        reply_fail(&reply, sd_bus_message_new_method_return(request, &reply.message));
        open_container(&reply, 'a', contents);
        return reply;
}

int reply_send(Reply *reply) {
        close_container(reply);
        return reply->error < 0 ? reply->error
                                : sd_bus_send(/* bus= */ NULL, reply->message, /* cookie= */ NULL);
}

void reply_done(Reply *reply) {
        reply->message = sd_bus_message_unref(reply->message);
}

void reply_fail(Reply *reply, int r) {
        if (reply->error >= 0 && r < 0)
                reply->error = r;
}

void reply_append(Reply *reply, const char *types, ...) {
        va_list arguments;

        va_start(arguments, types);
        appendv(reply, types, arguments);
        va_end(arguments);
}

void reply_put(Reply *reply, const char *key, const char *type, ...) {
        va_list arguments;

        open_container(reply, 'e', "sv");
        reply_append(reply, "s", key);
        open_container(reply, 'v', type);
        va_start(arguments, type);
        appendv(reply, type, arguments);
        va_end(arguments);
        close_container(reply);
        close_container(reply);
}

void reply_put_string(Reply *reply, const char *key, const char *value) {
        reply_append(reply, "{sv}", key, "s", value);
}

void reply_put_u32(Reply *reply, const char *key, uint32_t value) {
        reply_append(reply, "{sv}", key, "u", value);
}

void reply_put_u64(Reply *reply, const char *key, uint64_t value) {
        reply_append(reply, "{sv}", key, "t", value);
}

void reply_put_double(Reply *reply, const char *key, double value) {
        reply_append(reply, "{sv}", key, "d", value);
}

void reply_put_bool(Reply *reply, const char *key, bool value) {
        reply_append(reply, "{sv}", key, "b", (int)value);
}

void reply_open_row(Reply *reply) {
        open_container(reply, 'a', "{sv}");
}

void reply_close_row(Reply *reply) {
        close_container(reply);
}

void reply_open_array(Reply *reply, const char *key, const char *contents) {
        char type[16];

        (void)snprintf(type, sizeof(type), "a%s", contents);
        open_container(reply, 'e', "sv");
        reply_append(reply, "s", key);
        open_container(reply, 'v', type);
        open_container(reply, 'a', contents);
}

void reply_close_array(Reply *reply) {
        for (int depth = 0; depth < 3; depth++)
                close_container(reply);
}
