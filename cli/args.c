/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/args.h"

#include <errno.h>

#include "cli/remote.h"
#include "util/error.h"

enum {
        GLOBAL_HOST,
        GLOBAL_MACHINE,
        GLOBAL_NO_ASK_PASSWORD,
        GLOBAL_JSON,
        GLOBAL_NO_COLOR,
        GLOBAL_NO_LEGEND,
        GLOBAL_HELP,
        GLOBAL_VERSION
};

const Option args_global_options[] = {
        [GLOBAL_HOST] = {'H', "host", "[USER@]HOST", "ask the aikmd of another machine, by ssh"},
        [GLOBAL_MACHINE] = {'M', "machine", "CONTAINER", "ask the aikmd of a local container"},
        [GLOBAL_NO_ASK_PASSWORD] = {0, "no-ask-password", NULL, "never ask for a password"},
        [GLOBAL_JSON] = {'j', "json", NULL, "print one JSON document instead of text"},
        [GLOBAL_NO_COLOR] = {0, "no-color", NULL, "no colours, even on a terminal"},
        [GLOBAL_NO_LEGEND] = {0, "no-legend", NULL, "no headers and no closing lines"},
        [GLOBAL_HELP] = {'h', "help", NULL, "show this help"},
        [GLOBAL_VERSION] = {0, "version", NULL, "show the version"},
        {0},
};

/* Index of an option in a table, by letter or by name; -1 where it is not there. */
static int option_find(const Option *table, char letter, const char *name, size_t name_size) {
        for (int i = 0; table && table[i].name; i++)
                if (letter ? table[i].letter == letter
                           : strlen(table[i].name) == name_size &&
                                     memcmp(table[i].name, name, name_size) == 0)
                        return i;
        return -1;
}

static const char *option_name(const void *table, size_t i) {
        const Option *options = table;

        return options ? options[i].name : NULL;
}

static int edit_distance(const char *a, const char *b) {
        enum { LONGEST = 31 };
        int row[LONGEST + 1];
        size_t n = strlen(a), m = strlen(b);

        if (n > LONGEST || m > LONGEST)
                return LONGEST;
        for (size_t j = 0; j <= m; j++)
                row[j] = (int)j;
        for (size_t i = 1; i <= n; i++) {
                int diagonal = row[0];

                row[0] = (int)i;
                for (size_t j = 1; j <= m; j++) {
                        int best = MIN(row[j], row[j - 1]) + 1;

                        best = MIN(best, diagonal + (a[i - 1] != b[j - 1]));
                        diagonal = row[j];
                        row[j] = best;
                }
        }
        return row[m];
}

const char *args_nearest(const char *word, const char *(*next)(const void *table, size_t i),
                         const void *table) {
        const char *name, *best = NULL;
        int best_distance = 3;

        for (size_t i = 0; (name = next(table, i)); i++) {
                int d = edit_distance(word, name);
                size_t n = strlen(word);

                /* What is begun rightly is near, however much is missing. */
                if (n >= 2 && strncmp(word, name, n) == 0)
                        d = 1;
                if (d < best_distance && (size_t)d < strlen(name)) {
                        best = name;
                        best_distance = d;
                }
        }
        return best;
}

static int unknown_option(const Verb *v, const char *word, Error *e) {
        const char *near = NULL;

        if (word[0] == '-' && word[1] == '-') {
                near = args_nearest(word + 2, option_name, v->options);
                if (!near)
                        near = args_nearest(word + 2, option_name, args_global_options);
        }
        if (near)
                return error_set(e, -EINVAL, "unknown option %s; did you mean --%s?", word, near);
        return error_set(e, -EINVAL, "unknown option %s; see aikmctl %s%s--help", word, v->name,
                         v->name[0] ? " " : "");
}

static int global_set(Context *c, int i, const char *value, Error *e) {
        int r;

        switch (i) {
        case GLOBAL_HOST:
                r = remote_check_host(value, e);
                if (r < 0)
                        return r;
                c->host = value;
                break;
        case GLOBAL_MACHINE:
                r = remote_check_machine(value, e);
                if (r < 0)
                        return r;
                c->machine = value;
                break;
        case GLOBAL_NO_ASK_PASSWORD:
                c->ask_password = false;
                break;
        case GLOBAL_JSON:
                c->json = true;
                break;
        case GLOBAL_NO_COLOR:
                c->color = false;
                c->color_never = true;
                break;
        case GLOBAL_NO_LEGEND:
                c->legend = false;
                break;
        case GLOBAL_HELP:
                return ARGS_HELP;
        case GLOBAL_VERSION:
                return ARGS_VERSION;
        }
        return ARGS_GO;
}

/* One option, long or a letter of a cluster. value: what is attached to it, NULL: nothing.
 * *ret_used is set where value was taken, *next is moved where the following word was. */
static int option_take(Context *c, const Verb *v, Args *args, const char *shown, char letter,
                       const char *name, size_t name_size, const char *value, bool *ret_used,
                       int argc, char **argv, int *next, Error *e) {
        int i = option_find(v->options, letter, name, name_size);
        const Option *o;
        bool global = i < 0;

        *ret_used = false;
        if (global) {
                i = option_find(args_global_options, letter, name, name_size);
                if (i < 0)
                        return unknown_option(v, shown, e);
                o = args_global_options + i;
        } else
                o = v->options + i;
        if (!o->arg) {
                if (value && !letter)
                        return error_set(e, -EINVAL, "option --%s takes no argument", o->name);
                value = "";
        } else if (!value) {
                if (*next >= argc)
                        return error_set(e, -EINVAL, "option --%s needs %s", o->name, o->arg);
                value = argv[(*next)++];
        } else
                *ret_used = true;
        if (global)
                return global_set(c, i, value, e);
        args->value[i] = value;
        return ARGS_GO;
}

static int word_take(Context *c, const Verb *v, Args *args, const char *word, int argc, char **argv,
                     int *next, Error *e) {
        bool used = false;
        int r = ARGS_GO;

        if (word[1] == '-') {
                const char *equals = strchr(word, '=');
                size_t n = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;

                return option_take(c, v, args, word, 0, word + 2, n, equals ? equals + 1 : NULL,
                                   &used, argc, argv, next, e);
        }
        for (const char *p = word + 1; *p && !used && r == ARGS_GO; p++) {
                const char shown[] = {'-', *p, '\0'};

                r = option_take(c, v, args, shown, *p, "", 0, p[1] ? p + 1 : NULL, &used, argc,
                                argv, next, e);
        }
        return r;
}

int args_parse(Context *c, const Verb *v, bool stop_early, int argc, char **argv, Args *ret,
               Error *e) {
        Args args = {.positional = argv + 1};
        bool only_arguments = false;
        int next = 1;

        while (next < argc) {
                char *word = argv[next++];
                int r;

                if (only_arguments || word[0] != '-' || !word[1]) {
                        args.positional[args.n_positional++] = word;
                        if (!stop_early)
                                continue;
                        while (next < argc)
                                args.positional[args.n_positional++] = argv[next++];
                        break;
                }
                if (streq(word, "--")) {
                        only_arguments = true;
                        continue;
                }
                r = word_take(c, v, &args, word, argc, argv, &next, e);
                if (r != ARGS_GO)
                        return r;
        }
        if (args.n_positional < v->min_args)
                return error_set(e, -EINVAL, "%s needs %s", v->name, v->args);
        if (args.n_positional > v->max_args) {
                if (v->max_args == 0)
                        return error_set(e, -EINVAL, "%s takes no argument, but got %s", v->name,
                                         args.positional[0]);
                return error_set(e, -EINVAL, "%s takes %s, and %s is too much", v->name, v->args,
                                 args.positional[v->max_args]);
        }
        *ret = args;
        return ARGS_GO;
}

void args_print_options(const Option *options, FILE *f) {
        for (; options && options->name; options++) {
                char left[64];

                snprintf(left, sizeof(left), "%c%c%s --%s%s%s", options->letter ? '-' : ' ',
                         options->letter ? options->letter : ' ', options->letter ? "," : " ",
                         options->name, options->arg ? " " : "", options->arg ? options->arg : "");
                fprintf(f, "  %-24s %s\n", left, options->help);
        }
}

void args_print_help(const Verb *v, FILE *f) {
        fprintf(f, "Usage: aikmctl %s [OPTIONS]%s%s\n\n%s\n\n", v->name, v->args ? " " : "",
                v->args ? v->args : "", v->summary);
        args_print_options(v->options, f);
        args_print_options(args_global_options, f);
        if (v->details)
                fprintf(f, "\n%s\n", v->details);
}

/* What --host and --machine do not go with. */
static int check_remote(const Context *c, const Verb *v, Error *e) {
        const char *option = remote_option(c), *address = secure_getenv("AIKM_BUS_ADDRESS");

        if (!option)
                return ARGS_GO;
        if (c->host && c->machine)
                return error_set(e, -EINVAL,
                                 "--host and --machine exclude each other; --host HOST/CONTAINER "
                                 "is a container of that host");
        if (v->local)
                return error_set(e, -EINVAL, "%s works on this machine alone: it takes no %s",
                                 v->name, option);
        if (address && address[0])
                return error_set(e, -EINVAL,
                                 "AIKM_BUS_ADDRESS is set (%s) and names another bus than %s %s: "
                                 "unset it",
                                 address, option, remote_name(c));
        return ARGS_GO;
}

bool args_begin(Context *c, const Verb *v, int argc, char **argv, Args *ret, int *ret_status) {
        Error e = ERROR_INIT;
        int r;

        r = args_parse(c, v, /* stop_early= */ false, argc, argv, ret, &e);
        if (r == ARGS_GO)
                r = check_remote(c, v, &e);
        switch (r) {
        case ARGS_GO:
                return true;
        case ARGS_HELP:
                args_print_help(v, stdout);
                *ret_status = CLI_OK;
                return false;
        case ARGS_VERSION:
                puts("aikmctl " AIKM_VERSION);
                *ret_status = CLI_OK;
                return false;
        default:
                fail("%s", e.text);
                *ret_status = CLI_USAGE;
                return false;
        }
}
