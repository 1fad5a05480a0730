/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-method.h"

#include <errno.h>

#include "daemon/bus.h"
#include "daemon/owner.h"

/* As much as fits, and no half character: polkit wants whole ones. */
static void put_text(char *buffer, size_t size, size_t *length, const char *text) {
        size_t n = strlen(text);

        if (n >= size - *length) {
                n = size - *length - 1;
                while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
                        n--;
        }
        memcpy(buffer + *length, text, n);
        buffer[ *length += n] = '\0';
}

static void put_value(char *buffer, size_t size, const char *text) {
        size_t length = 0;

        put_text(buffer, size, &length, text);
}

static void describe_mode(sd_bus_message *request, BusDetails *ret) {
        const char *mode;

        if (sd_bus_message_read(request, "s", &mode) <= 0)
                return;
        ret->key[0] = "mode";
        put_value(ret->value[0], sizeof(ret->value[0]), mode);
}

static void describe_trial(sd_bus_message *request, BusDetails *ret) {
        const char *mode;
        uint32_t pid;

        if (sd_bus_message_read(request, "us", &pid, &mode) <= 0)
                return;
        ret->key[0] = "pid";
        snprintf(ret->value[0], sizeof(ret->value[0]), "%u", pid);
        ret->key[1] = "mode";
        put_value(ret->value[1], sizeof(ret->value[1]), mode);
}

static void describe_rollback(sd_bus_message *request, BusDetails *ret) {
        const char *what;
        uint64_t number;

        if (sd_bus_message_read(request, "st", &what, &number) <= 0)
                return;
        ret->key[0] = "what";
        put_value(ret->value[0], sizeof(ret->value[0]), what);
        ret->key[1] = "number";
        snprintf(ret->value[1], sizeof(ret->value[1]), "%" PRIu64, number);
}

static void describe_forget(sd_bus_message *request, BusDetails *ret) {
        const char *exe;

        if (sd_bus_message_read(request, "s", &exe) <= 0)
                return;
        ret->key[0] = "exe";
        put_value(ret->value[0], sizeof(ret->value[0]), exe);
}

static void describe_settings(sd_bus_message *request, BusDetails *ret) {
        const char *key, *value;
        size_t length = 0;

        ret->key[0] = "settings";
        ret->value[0][0] = '\0';
        if (sd_bus_message_enter_container(request, 'a', "(ss)") < 0)
                return;
        while (sd_bus_message_read(request, "(ss)", &key, &value) > 0) {
                const char *const words[] = {length > 0 ? " " : "", key, "=", value};

                for (size_t i = 0; i < ELEMENTSOF(words); i++)
                        put_text(ret->value[0], sizeof(ret->value[0]), &length, words[i]);
        }
}

static bool is_own_rollback(const Manager *m, sd_bus_message *request, const Caller *caller) {
        const char *what;
        uint64_t number;

        if (sd_bus_message_read(request, "st", &what, &number) <= 0)
                return false;
        if (streq(what, "pid"))
                return owner_has_changes(m, caller->uid, RESTORE_PID, number);
        if (streq(what, "action"))
                return owner_has_changes(m, caller->uid, RESTORE_ACTION, number);
        return false;
}

/* Ending is for the one who began; it is open to that one whatever became of the tree. */
static bool is_own_trial(const Manager *m, sd_bus_message *request, const Caller *caller) {
        const char *mode;
        uint32_t root;

        if (sd_bus_message_read(request, "us", &root, &mode) <= 0)
                return false;
        if (root == 0)
                return bus_trial_is_owner(bus_of(m), request);
        return root <= INT32_MAX && owner_has_tree(m, caller->uid, (pid_t)root);
}

static void describe_model(sd_bus_message *request, BusDetails *ret) {
        const char *name;

        if (sd_bus_message_read(request, "s", &name) <= 0)
                return;
        ret->key[0] = "model";
        put_value(ret->value[0], sizeof(ret->value[0]), name);
}

/* The interface, and what is asked for there; what: the name of the second argument. */
static void describe_filter(sd_bus_message *request, BusDetails *ret, const char *what) {
        const char *interface, *value;

        if (sd_bus_message_read(request, "s", &interface) <= 0)
                return;
        ret->key[0] = "interface";
        put_value(ret->value[0], sizeof(ret->value[0]), interface);
        if (!what || sd_bus_message_read(request, "s", &value) <= 0)
                return;
        ret->key[1] = what;
        put_value(ret->value[1], sizeof(ret->value[1]), value);
}

static void describe_attach(sd_bus_message *request, BusDetails *ret) {
        describe_filter(request, ret, "model");
}

static void describe_detach(sd_bus_message *request, BusDetails *ret) {
        describe_filter(request, ret, NULL);
}

static void describe_filter_mode(sd_bus_message *request, BusDetails *ret) {
        describe_filter(request, ret, "mode");
}

static void describe_kill_switch(sd_bus_message *request, BusDetails *ret) {
        double share;

        describe_filter(request, ret, NULL);
        if (!ret->key[0] || sd_bus_message_read(request, "d", &share) <= 0)
                return;
        ret->key[1] = "share";
        snprintf(ret->value[1], sizeof(ret->value[1]), "%g", share);
}

static void describe_allowed(sd_bus_message *request, BusDetails *ret) {
        describe_filter(request, ret, "prefix");
}

const BusMethod bus_methods[] = {
        {"Manager", "GetStatus", bus_manager_get_status, "read"},
        {"Manager", "SetMode", bus_manager_set_mode, "set-mode", .done = "Mode set",
         .describe = describe_mode},
        {"Manager", "Reload", bus_manager_reload, "reload", .done = "Configuration read again"},
        {"Manager", "Trial", bus_manager_trial, "trial", "trial-own", is_own_trial,
         .done = "Trial set", .describe = describe_trial},
        {"Processes", "List", bus_processes_list, "read"},
        {"Processes", "Explain", bus_processes_explain, "read"},
        {"Policy", "Get", bus_policy_get, "read"},
        {"Policy", "Set", bus_policy_set, "set-policy", .done = "Policy set",
         .describe = describe_settings},
        {"Policy", "Reset", bus_policy_reset, "reset-policy", .done = "Policy reset"},
        {"Ledger", "List", bus_ledger_list, "read"},
        {"Ledger", "ListImpact", bus_ledger_list_impact, "read"},
        {"Ledger", "Rollback", bus_ledger_rollback, "rollback", "rollback-own", is_own_rollback,
         .done = "Rolled back", .describe = describe_rollback},
        {"Priors", "List", bus_priors_list, "read"},
        {"Priors", "Forget", bus_priors_forget, "forget-priors",
         .done = "What was learned of programs forgotten", .describe = describe_forget},
        {"Models", "List", bus_models_list, "read"},
        {"Models", "Info", bus_models_info, "read"},
        /* It changes nothing, but it costs as much as hundreds of looks. */
        {"Models", "Verify", bus_models_verify, "manage-models", .done = "Model verified",
         .describe = describe_model},
        {"Models", "Install", bus_models_install, "manage-models", .done = "Model installed"},
        {"Models", "Use", bus_models_use, "manage-models", .done = "Model chosen",
         .describe = describe_model},
        {"Models", "Rollback", bus_models_rollback, "manage-models",
         .done = "Model of before chosen"},
        {"Models", "Remove", bus_models_remove, "manage-models", .done = "Model removed",
         .describe = describe_model},
        {"Filter", "List", bus_filter_list, "read"},
        {"Filter", "Top", bus_filter_top, "read"},
        {"Filter", "Explain", bus_filter_explain, "read"},
        {"Filter", "ListAllowed", bus_filter_list_allowed, "read"},
        {"Filter", "Attach", bus_filter_attach, "manage-filters", .done = "Filter attached",
         .describe = describe_attach},
        {"Filter", "AttachObject", bus_filter_attach_object, "manage-filters",
         .done = "Filter attached", .describe = describe_attach},
        {"Filter", "Detach", bus_filter_detach, "manage-filters", .done = "Filter detached",
         .describe = describe_detach},
        {"Filter", "AddAllowed", bus_filter_add_allowed, "manage-filters",
         .done = "Prefix passed unjudged", .describe = describe_allowed},
        {"Filter", "RemoveAllowed", bus_filter_remove_allowed, "manage-filters",
         .done = "Prefix judged again", .describe = describe_allowed},
        {"Filter", "SetMode", bus_filter_set_mode, "enforce-filter", .done = "Filter's mode set",
         .describe = describe_filter_mode},
        {"Filter", "SetKillSwitch", bus_filter_set_kill_switch, "enforce-filter",
         .done = "Filter's kill switch set", .describe = describe_kill_switch},
        {},
};

const BusMethod *bus_method_find(const char *interface, const char *member) {
        if (!interface || !member || strncmp(interface, ACTION_PREFIX, strlen(ACTION_PREFIX)) != 0)
                return NULL;
        interface += strlen(ACTION_PREFIX);
        for (const BusMethod *method = bus_methods; method->member; method++)
                if (streq(method->interface, interface) && streq(method->member, member))
                        return method;
        return NULL;
}
