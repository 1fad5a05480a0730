/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-ledger.h"

#include <errno.h>

#include "daemon/bus-method.h"
#include "daemon/bus.h"

void ledger_watch_done(LedgerWatch *w) {
        free(w->actions);
        *w = (LedgerWatch){};
}

static int compare_actions(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static bool contains(const uint64_t *actions, size_t n, uint64_t action) {
        return n > 0 && bsearch(&action, actions, n, sizeof(*actions), compare_actions);
}

/* How the action ended: the state of its entry that ended last. */
static LedgerState ended_as(const Ledger *l, uint64_t action) {
        for (size_t i = ledger_count(l, /* all= */ true); i-- > 0;) {
                const LedgerEntry *entry = ledger_get(l, i, /* all= */ true);

                if (entry->action == action)
                        return entry->state;
        }
        return LEDGER_GONE;
}

int ledger_watch_update(LedgerWatch *w, const Ledger *l, ledger_watch_callback_t callback,
                        void *userdata) {
        size_t n_entries = ledger_count(l, /* all= */ false), n = 0;
        uint64_t *actions = calloc(n_entries + 1, sizeof(*actions));

        if (!actions)
                return -ENOMEM;
        for (size_t i = 0; i < n_entries; i++)
                actions[i] = ledger_get(l, i, /* all= */ false)->action;
        qsort(actions, n_entries, sizeof(*actions), compare_actions);
        for (size_t i = 0; i < n_entries; i++)
                if (n == 0 || actions[n - 1] != actions[i])
                        actions[n++] = actions[i];
        for (size_t i = 0; i < w->n; i++)
                if (!contains(actions, n, w->actions[i]))
                        callback(w->actions[i], ended_as(l, w->actions[i]), userdata);
        for (size_t i = 0; i < n; i++)
                if (!contains(w->actions, w->n, actions[i]))
                        callback(actions[i], LEDGER_ACTIVE, userdata);
        free(w->actions);
        *w = (LedgerWatch){.actions = actions, .n = n};
        return 0;
}

void bus_append_entry(Reply *reply, const LedgerEntry *entry) {
        reply_open_row(reply);
        reply_put_u64(reply, "Id", entry->id);
        reply_put_u64(reply, "Action", entry->action);
        reply_put_string(reply, "State", ledger_state_to_string(entry->state));
        reply_put_u64(reply, "AtUSec", entry->at);
        reply_put_string(reply, "Actuator", entry->actuator);
        if (entry->pid > 0)
                reply_put_u32(reply, "Pid", (uint32_t)entry->pid);
        if (entry->tid > 0)
                reply_put_u32(reply, "Tid", (uint32_t)entry->tid);
        if (entry->comm[0])
                reply_put_string(reply, "Comm", entry->comm);
        if (entry->path)
                reply_put_string(reply, "Path", entry->path);
        if (entry->old_value)
                reply_put_string(reply, "Old", entry->old_value);
        if (entry->new_value)
                reply_put_string(reply, "New", entry->new_value);
        if (entry->why)
                reply_put_string(reply, "Why", entry->why);
        reply_close_row(reply);
}

int bus_ledger_list(sd_bus_message *request, Manager *m, const Caller *caller,
                    sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = {};
        int all, r;

        r = sd_bus_message_read(request, "b", &all);
        if (r < 0)
                return r;
        reply = reply_begin(request, "a{sv}");
        for (size_t i = 0; i < ledger_count(m->ledger, all); i++)
                bus_append_entry(&reply, ledger_get(m->ledger, i, all));
        return reply_send(&reply);
}

static int reply_with_count(sd_bus_message *request, const RestoreCount *count) {
        return sd_bus_reply_method_return(
                request, "a{sv}", 5, "Restored", "u", (uint32_t)count->restored, "Foreign", "u",
                (uint32_t)count->foreign, "Gone", "u", (uint32_t)count->gone, "Failed", "u",
                (uint32_t)count->failed, "Kept", "u", (uint32_t)count->kept);
}

static bool ledger_knows_action(const Ledger *l, uint64_t action) {
        for (size_t i = 0; i < ledger_count(l, /* all= */ true); i++)
                if (ledger_get(l, i, /* all= */ true)->action == action)
                        return true;
        return false;
}

/* Nothing to put back is success where the thing itself is known. */
static int check_nothing(const Manager *m, RestoreWhat what, uint64_t number, sd_bus_error *error) {
        ProcView view;

        if (what == RESTORE_PID && pipeline_find_proc(m->pipeline, (pid_t)number, &view) < 0)
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_PROCESS,
                                         "process %" PRIu64 " is not there", number);
        if (what == RESTORE_ACTION && !ledger_knows_action(m->ledger, number))
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_ACTION,
                                         "action %" PRIu64 " is not in the ledger", number);
        return 0;
}

static int parse_what(const char *text, uint64_t number, RestoreWhat *ret, sd_bus_error *error) {
        if (streq(text, "all"))
                *ret = RESTORE_ALL;
        else if (streq(text, "pid"))
                *ret = RESTORE_PID;
        else if (streq(text, "action"))
                *ret = RESTORE_ACTION;
        else
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "'%s' is not one of all, pid, action", text);
        if (*ret == RESTORE_PID && (number == 0 || number > INT32_MAX))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "%" PRIu64 " is not a process id", number);
        return 0;
}

int bus_ledger_rollback(sd_bus_message *request, Manager *m, const Caller *caller,
                        sd_bus_error *error) {
        RestoreCount count = {};
        const char *text;
        RestoreWhat what = RESTORE_ALL;
        uint64_t number;
        int r;

        r = sd_bus_message_read(request, "st", &text, &number);
        if (r < 0)
                return r;
        r = parse_what(text, number, &what, error);
        if (r < 0)
                return r;
        r = manager_rollback(m, what, number, &count);
        if (r == -ENOENT)
                r = check_nothing(m, what, number, error);
        return r < 0 ? r : reply_with_count(request, &count);
}

const sd_bus_vtable bus_ledger_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_ARGS("b", all), SD_BUS_RESULT("aa{sv}", entries),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListImpact", SD_BUS_ARGS("u", id),
                                SD_BUS_RESULT("aa{sv}", episodes), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Rollback", SD_BUS_ARGS("s", what, "t", number),
                                SD_BUS_RESULT("a{sv}", result), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Changed", SD_BUS_ARGS("t", action, "s", state), 0),
        SD_BUS_VTABLE_END,
};
