/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Priors: what programs did in earlier runs. */
#include <errno.h>

#include "daemon/bus-method.h"
#include "daemon/bus.h"

/* The system's programs are no secret; what people keep elsewhere is. */
static bool is_open(const char *exe) {
        static const char *const folders[] = {"/usr/", "/bin/", "/sbin/", "/lib", "/opt/"};

        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                if (strncmp(exe, folders[i], strlen(folders[i])) == 0)
                        return true;
        return false;
}

/* What is left of it now. */
static void append_entry(Reply *reply, const PriorEntry *entry, usec_t half_life, int64_t at) {
        PriorEntry e = *entry;
        float mass, most = 0;
        int best = 0;

        prior_entry_age(&e, half_life, at);
        mass = prior_entry_mass(&e);
        for (int c = 0; c < _CLASS_COUNT; c++)
                if (e.mass[c] > most) {
                        most = e.mass[c];
                        best = c;
                }
        reply_open_row(reply);
        reply_put_string(reply, "Exe", e.exe);
        reply_put_string(reply, "Comm", e.comm);
        reply_put_string(reply, "Class", class_to_string((LoadClass)best));
        reply_put_double(reply, "Share", mass > 0 ? (double)(most / mass) : 0);
        reply_put_double(reply, "Mass", (double)mass);
        reply_put_u32(reply, "Processes", e.processes);
        reply_put_u64(reply, "AgeUSec", at > entry->seen ? (uint64_t)(at - entry->seen) : 0);
        reply_close_row(reply);
}

int bus_priors_list(sd_bus_message *request, Manager *m, const Caller *caller,
                    sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = reply_begin(request, "a{sv}");
        const PriorTable *t = pipeline_get_priors(m->pipeline);
        int64_t at = (int64_t)usec_now(CLOCK_BOOTTIME);

        for (size_t i = 0; i < t->n; i++)
                if (caller->uid == 0 || is_open(t->entries[i]->exe))
                        append_entry(&reply, t->entries[i], t->limits.half_life, at);
        return reply_send(&reply);
}

int bus_priors_forget(sd_bus_message *request, Manager *m, const Caller *caller,
                      sd_bus_error *error) {
        const char *exe;
        size_t n;
        int r;

        r = sd_bus_message_read(request, "s", &exe);
        if (r < 0)
                return r;
        if (exe[0] && (exe[0] != '/' || strlen(exe) >= sizeof(((PriorEntry *)0)->exe)))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "%.100s is not the path of an executable", exe);
        n = manager_forget_priors(m, exe[0] ? exe : NULL);
        manager_save_priors(m, /* at_stop= */ true);
        return sd_bus_reply_method_return(request, "u", (uint32_t)n);
}

const sd_bus_vtable bus_priors_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", priors),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Forget", SD_BUS_ARGS("s", exe), SD_BUS_RESULT("u", n_programs),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
