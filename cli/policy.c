/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "cli/client.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/verbs.h"

/* A value of the policy on one line: {"nice": 19, "ioprio": "be:7"} is "nice=19 ioprio=be:7". */
static void write_value(const json_object *value, bool inner, FILE *f) {
        size_t n = 0;

        switch (json_object_get_type(value)) {
        case json_type_object: {
                if (inner)
                        fputc('{', f);
                json_object_object_foreach(value, key, member) {
                        fprintf(f, "%s%s=", n++ > 0 ? " " : "", key);
                        write_value(member, true, f);
                }
                if (inner)
                        fputc('}', f);
                break;
        }
        case json_type_array:
                for (size_t i = 0; i < json_object_array_length(value); i++) {
                        if (i > 0)
                                fputc(',', f);
                        write_value(json_object_array_get_idx(value, i), true, f);
                }
                break;
        case json_type_null:
                fputs("none", f);
                break;
        default:
                fputs(json_object_get_string((json_object *)value), f);
        }
}

static char *value_text(const json_object *value) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        write_value(value, false, f);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* The members of an object as a table of two columns. */
static int print_object(const Context *c, const Column *columns, const json_object *o,
                        bool classes) {
        _cleanup_(table_freep)
        Table *t = table_new(columns, c->utf8);

        if (!t)
                return -ENOMEM;
        json_object_object_foreach(o, key, value) {
                _cleanup_free_
                char *text = value_text(value);

                if (!text)
                        return -ENOMEM;
                table_add(t, key, classes ? style_of_class(key) : STYLE_NONE);
                table_add(t, text[0] ? text : classes ? "left alone" : "none", STYLE_NONE);
        }
        return table_print(t, c, stdout);
}

static int print_rules(const Context *c, const json_object *rules) {
        static const Column columns[] = {{"RULE", 0, 6, 24, false}, {"SAYS", 0, 10, 0, false}, {0}};
        _cleanup_(table_freep)
        Table *t = table_new(columns, c->utf8);

        if (!t)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(rules); i++) {
                const json_object *rule = json_object_array_get_idx(rules, i);
                _cleanup_free_
                char *text = value_text(rule);
                const char *name = json_str(rule, "name"), *says = text;

                if (!text)
                        return -ENOMEM;
                /* The name stands in its own column. */
                if (name && strncmp(text, "name=", 5) == 0)
                        says = text + 5 + strlen(name) + (text[5 + strlen(name)] == ' ');
                table_add(t, name, STYLE_NONE);
                table_add(t, says, STYLE_NONE);
        }
        return table_print(t, c, stdout);
}

static int print_list(const Context *c, const json_object *p) {
        static const Column class_columns[] = {
                {"CLASS", 0, 0, 0, false}, {"TREATMENT", 0, 10, 0, false}, {0}};
        static const Column key_columns[] = {
                {"KEY", 0, 0, 0, false}, {"VALUE", 0, 10, 0, false}, {0}};
        json_object *classes = json_get(p, "classes", json_type_object);
        json_object *rules = json_get(p, "rules", json_type_array);
        int r = 0;

        json_object_object_foreach(p, key, value) {
                _cleanup_free_
                char *text = NULL;

                if (json_object_is_type(value, json_type_object) || streq(key, "rules"))
                        continue;
                text = value_text(value);
                if (!text)
                        return -ENOMEM;
                report_field(c, stdout, key, STYLE_NONE, "%s", text[0] ? text : "none");
        }
        if (classes) {
                report_heading(c, stdout, "Treatment of each class under contention");
                r = print_object(c, class_columns, classes, /* classes= */ true);
        }
        if (r >= 0 && rules && json_object_array_length(rules) > 0) {
                report_heading(c, stdout, "Rules, the first that matches counts");
                r = print_rules(c, rules);
        }
        json_object_object_foreach(p, name, object) {
                if (r < 0)
                        return r;
                if (!json_object_is_type(object, json_type_object) || streq(name, "classes") ||
                    json_object_object_length(object) == 0)
                        continue;
                report_heading(c, stdout, name);
                r = print_object(c, key_columns, object, /* classes= */ false);
        }
        return r;
}

static int show(Context *c, bool list) {
        _cleanup_json_ json_object *p = NULL;
        Error e = ERROR_INIT;
        int r;

        r = client_get_policy(c, &p, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        if (!list || c->json)
                return json_print(p);
        return print_list(c, p) < 0 ? fail("out of memory") : CLI_OK;
}

static int call_set(Context *c, char **settings, size_t n, Error *e) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = client_begin(c, &m, e, AIKM_BUS_POLICY, "Set");
        if (r != CLI_OK)
                return r;
        r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const char *equals = strchr(settings[i], '=');
                _cleanup_free_
                char *key = strndup(settings[i], (size_t)(equals - settings[i]));

                r = key ? sd_bus_message_append(m, "(ss)", key, equals + 1) : -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0) {
                error_set(e, r, "cannot make the message: %s", strerror(-r));
                return CLI_FAILURE;
        }
        return client_send(c, m, NULL, e);
}

static int done(Context *c, const char *text) {
        if (c->json)
                return show(c, /* list= */ false);
        puts(text);
        return CLI_OK;
}

static int set(Context *c, char **settings, size_t n) {
        Error e = ERROR_INIT;
        int r;

        if (n == 0) {
                fail("policy set needs KEY=VALUE, such as mode=enforce or classes.batch.nice=10");
                return CLI_USAGE;
        }
        for (size_t i = 0; i < n; i++) {
                const char *equals = strchr(settings[i], '=');

                if (!equals || equals == settings[i]) {
                        fail("policy set %s: not KEY=VALUE, such as classes.batch.nice=10",
                             settings[i]);
                        return CLI_USAGE;
                }
        }
        r = call_set(c, settings, n, &e);
        if (r != CLI_OK)
                return client_fail(r, &e);
        return done(c, "Set, until policy reset or the daemon's end.");
}

static int reset(Context *c) {
        Error e = ERROR_INIT;
        int r;

        r = client_call(c, NULL, &e, AIKM_BUS_POLICY, "Reset", "");
        if (r != CLI_OK)
                return client_fail(r, &e);
        return done(c, "The policy is what the files say.");
}

static int run(Context *c, int argc, char **argv) {
        const char *what;
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_policy, argc, argv, &args, &r))
                return r;
        what = args.n_positional > 0 ? args.positional[0] : "list";
        if (streq(what, "set"))
                return set(c, args.positional + 1, args.n_positional - 1);
        if (args.n_positional > 1) {
                fail("policy %s takes no argument, but got %s", what, args.positional[1]);
                return CLI_USAGE;
        }
        if (streq(what, "list"))
                return show(c, /* list= */ true);
        if (streq(what, "show"))
                return show(c, /* list= */ false);
        if (streq(what, "reset"))
                return reset(c);
        fail("policy %s: not one of list, show, set, reset", what);
        return CLI_USAGE;
}

const Verb verb_spec_policy = {
        .name = "policy",
        .args = "[list|show|set KEY=VALUE…|reset]",
        .summary = "Shows or changes what is done to which class, and when.",
        .max_args = SIZE_MAX,
        .run = run,
        .details = "list is a table, show the JSON in the form of aikmd.conf(5). Keys of set:\n"
                   "mode, scope, interval, interval_max, model, on_stop, fine_tuning, "
                   "classes.CLASS.KEY,\n"
                   "thresholds.KEY, tunables.NAME.",
};
