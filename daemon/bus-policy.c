/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Policy: the configuration in force, and settings on top of it. */
#include <errno.h>

#include "daemon/bus-method.h"
#include "daemon/bus.h"
#include "daemon/config.h"

/* Errors of configuration keep their text: it names what is wrong and what is accepted. */
static int configuration_error(sd_bus_error *error, const char *name, int r, const Error *e) {
        return sd_bus_error_setf(error, r == -ENOMEM ? SD_BUS_ERROR_NO_MEMORY : name, "%s",
                                 e->text[0] ? e->text : strerror(-r));
}

int bus_policy_get(sd_bus_message *request, Manager *m, const Caller *caller, sd_bus_error *error) {
        _cleanup_free_
        char *json = NULL;

        json = config_to_json(&m->policy);
        if (!json)
                return -ENOMEM;
        return sd_bus_reply_method_return(request, "s", json);
}

static int read_settings(sd_bus_message *request, Settings *s) {
        const char *key, *value;
        int r;

        r = sd_bus_message_enter_container(request, 'a', "(ss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(request, "(ss)", &key, &value)) > 0) {
                r = settings_put(s, key, value);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(request);
}

int bus_policy_set(sd_bus_message *request, Manager *m, const Caller *caller, sd_bus_error *error) {
        _cleanup_(settings_done)
        Settings settings = SETTINGS_INIT;
        Error e = ERROR_INIT;
        int r;

        r = read_settings(request, &settings);
        if (r < 0)
                return r;
        r = manager_set(m, &settings, &e);
        if (r < 0)
                return configuration_error(error, SD_BUS_ERROR_INVALID_ARGS, r, &e);
        return sd_bus_reply_method_return(request, NULL);
}

int bus_policy_reset(sd_bus_message *request, Manager *m, const Caller *caller,
                     sd_bus_error *error) {
        Error e = ERROR_INIT;
        int r;

        r = manager_reset(m, &e);
        if (r < 0)
                return configuration_error(error, BUS_ERROR_CONFIGURATION, r, &e);
        return sd_bus_reply_method_return(request, NULL);
}

const sd_bus_vtable bus_policy_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Get", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Set", SD_BUS_ARGS("a(ss)", settings), SD_BUS_NO_RESULT,
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
