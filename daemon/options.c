/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>

#include "util/hash.h"

#define DEFAULT_RUNTIME_DIR "/run/aikmd"
#define DEFAULT_STATE_DIR "/var/lib/aikmd"
#define DEFAULT_FILTER_DIR "/sys/fs/bpf/aikmd"

enum {
        OPT_VERSION = 0x100,
        OPT_CONFIG_DIR,
        OPT_MODE,
        OPT_RUNTIME_DIR,
        OPT_STATE_DIR,
        OPT_MODEL,
        OPT_INTERVAL,
        OPT_COLLECTOR,
        OPT_RECORD,
        OPT_REPLAY,
        OPT_RESTORE,
        OPT_CGROUP_NAME,
        OPT_FILTER_DIR,
        OPT_SET,
        OPT_CHECK_CONFIG,
        OPT_NO_BUS,
};

static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPT_VERSION},
        {"config-dir", required_argument, NULL, OPT_CONFIG_DIR},
        {"mode", required_argument, NULL, OPT_MODE},
        {"runtime-dir", required_argument, NULL, OPT_RUNTIME_DIR},
        {"state-dir", required_argument, NULL, OPT_STATE_DIR},
        {"model", required_argument, NULL, OPT_MODEL},
        {"interval", required_argument, NULL, OPT_INTERVAL},
        {"collector", required_argument, NULL, OPT_COLLECTOR},
        {"record", required_argument, NULL, OPT_RECORD},
        {"replay", required_argument, NULL, OPT_REPLAY},
        {"restore", optional_argument, NULL, OPT_RESTORE},
        {"cgroup-name", required_argument, NULL, OPT_CGROUP_NAME},
        {"filter-dir", required_argument, NULL, OPT_FILTER_DIR},
        {"set", required_argument, NULL, OPT_SET},
        {"check-config", no_argument, NULL, OPT_CHECK_CONFIG},
        {"no-bus", no_argument, NULL, OPT_NO_BUS},
        {NULL, 0, NULL, 0},
};

void options_print_help(FILE *f) {
        fputs("aikmd [OPTION...]\n"
              "Watches every process, predicts its load, and demotes hogs while they hurt "
              "others.\n\n"
              "  -h, --help               show this and exit\n"
              "      --version            show the version and exit\n"
              "      --mode=MODE          observe, advise or enforce, whatever the files say\n"
              "      --model=rules|PATH   the model: the rules, or a manifest\n"
              "      --interval=TIME      time between two looks, 100ms to 60s\n"
              "      --set KEY=VALUE      any setting that 'aikmctl policy set' takes; repeatable\n"
              "      --config-dir=DIR     read DIR in place of the standard folders; repeatable\n"
              "      --runtime-dir=DIR    ledger (default $RUNTIME_DIRECTORY "
              "or " DEFAULT_RUNTIME_DIR ")\n"
              "      --state-dir=DIR      what outlives a boot (default $STATE_DIRECTORY "
              "or " DEFAULT_STATE_DIR ",\n"
              "                           DIR/state where --runtime-dir=DIR is given)\n"
              "      --collector=WHICH    auto, bpf or proc\n"
              "      --cgroup-name=NAME   name of the daemon's own cgroup\n"
              "      --filter-dir=DIR     folder on a bpffs that traffic filters are pinned in\n"
              "                           (default " DEFAULT_FILTER_DIR ")\n"
              "      --no-bus             serve no D-Bus interface\n"
              "      --record=FILE        write everything that decides, and the decisions, to "
              "FILE\n"
              "      --replay=FILE        decide a recording again and compare; 1 if any differs\n"
              "      --restore[=after-failure]\n"
              "                           put back what an earlier run left changed, and exit; "
              "only\n"
              "                           where $SERVICE_RESULT says that the service failed\n"
              "      --check-config [FILE…]\n"
              "                           read the configuration, or these files alone, name what\n"
              "                           is wrong, and exit\n"
              "\nSee aikmd(8).\n",
              f);
}

static int put(Options *o, const char *key, const char *value, Error *e) {
        return settings_put(&o->settings, key, value) < 0 ? error_set(e, -ENOMEM, "out of memory")
                                                          : 0;
}

static int set_task(Options *o, Task task, Error *e) {
        if (o->task != TASK_RUN && o->task != task)
                return error_set(e, -EINVAL,
                                 "only one of --replay, --restore and --check-config is possible");
        o->task = task;
        return 0;
}

/* A service manager tells the commands that follow a service how it ended. */
static int set_restore(Options *o, const char *when, Error *e) {
        const char *result = getenv("SERVICE_RESULT");

        if (when && !streq(when, "after-failure"))
                return error_set(e, -EINVAL, "--restore=%s: not after-failure", when);
        if (when && (!result || !result[0]))
                return error_set(e, -EINVAL,
                                 "--restore=after-failure: SERVICE_RESULT is not set; it is for "
                                 "ExecStopPost=");
        o->restore_after_failure = when != NULL;
        o->restore_not_needed = when && streq(result, "success");
        return set_task(o, TASK_RESTORE, e);
}

static int set_dir(const char *option, const char *path, char *ret, size_t size, Error *e) {
        if (path[0] != '/')
                return error_set(e, -EINVAL, "%s=%s: not an absolute path", option, path);
        if (strlen(path) >= size)
                return error_set(e, -EINVAL, "%s: longer than %zu bytes", option, size - 1);
        snprintf(ret, size, "%s", path);
        return 0;
}

/* systemd puts several directories into one variable, parted by colons. */
static void take_dir(const char *variable, const char *otherwise, char *ret, size_t size) {
        const char *value = getenv(variable) ?: "";

        snprintf(ret, size, "%.*s", (int)strcspn(value, ":"), value);
        if (!ret[0])
                snprintf(ret, size, "%s", otherwise);
}

/* A daemon that runs elsewhere than the system's has no business in what that one has learned. */
static void choose_state_dir(Options *o) {
        if (o->state_dir[0])
                return;
        if (streq(o->runtime_dir, DEFAULT_RUNTIME_DIR))
                snprintf(o->state_dir, sizeof(o->state_dir), "%s", DEFAULT_STATE_DIR);
        else
                snprintf(o->state_dir, sizeof(o->state_dir), "%s/state", o->runtime_dir);
}

/* Neither has it in that one's filters. */
static void choose_filter_dir(Options *o) {
        if (o->filter_dir[0])
                return;
        if (streq(o->runtime_dir, DEFAULT_RUNTIME_DIR))
                snprintf(o->filter_dir, sizeof(o->filter_dir), "%s", DEFAULT_FILTER_DIR);
        else
                snprintf(o->filter_dir, sizeof(o->filter_dir), "%s-%016" PRIx64, DEFAULT_FILTER_DIR,
                         fnv1a64(FNV1A64_INIT, o->runtime_dir, strlen(o->runtime_dir)));
}

static int add_config_dir(Options *o, const char *path, Error *e) {
        const char **dirs;

        if (path[0] != '/')
                return error_set(e, -EINVAL, "--config-dir=%s: not an absolute path", path);
        dirs = reallocarray(o->config_dirs, o->n_config_dirs + 2, sizeof(*dirs));
        if (!dirs)
                return error_set(e, -ENOMEM, "out of memory");
        dirs[o->n_config_dirs++] = path;
        dirs[o->n_config_dirs] = NULL;
        o->config_dirs = dirs;
        return 0;
}

static int set_collector(Options *o, const char *name, Error *e) {
        static const char *const names[] = {
                [COLLECTOR_AUTO] = "auto", [COLLECTOR_BPF] = "bpf", [COLLECTOR_PROC] = "proc"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(name, names[i])) {
                        o->collector = (CollectorChoice)i;
                        return 0;
                }
        return error_set(e, -EINVAL, "--collector=%s: not one of auto, bpf, proc", name);
}

/* A name that makes one directory below a cgroup mount. */
static int set_cgroup_name(Options *o, const char *name, Error *e) {
        if (!name[0] || name[0] == '.' || strchr(name, '/') || strlen(name) > 64)
                return error_set(e, -EINVAL, "--cgroup-name=%s: not a plain name", name);
        o->cgroup_name = name;
        return 0;
}

static int set_recording(Options *o, Task task, const char *path, Error *e) {
        if (o->recording)
                return error_set(e, -EINVAL, "only one of --record and --replay is possible, once");
        o->recording = path;
        return task == TASK_RUN ? 0 : set_task(o, task, e);
}

static int parse_one(Options *o, int c, const char *arg, Error *e) {
        switch (c) {
        case 'h':
                o->task = TASK_HELP;
                return 0;
        case OPT_VERSION:
                o->task = TASK_VERSION;
                return 0;
        case OPT_CONFIG_DIR:
                return add_config_dir(o, arg, e);
        case OPT_MODE:
                return put(o, "mode", arg, e);
        case OPT_RUNTIME_DIR:
                return set_dir("--runtime-dir", arg, o->runtime_dir, sizeof(o->runtime_dir), e);
        case OPT_STATE_DIR:
                return set_dir("--state-dir", arg, o->state_dir, sizeof(o->state_dir), e);
        case OPT_MODEL:
                return put(o, "model", arg, e);
        case OPT_INTERVAL:
                return put(o, "interval", arg, e);
        case OPT_COLLECTOR:
                return set_collector(o, arg, e);
        case OPT_RECORD:
                return set_recording(o, TASK_RUN, arg, e);
        case OPT_REPLAY:
                return set_recording(o, TASK_REPLAY, arg, e);
        case OPT_RESTORE:
                return set_restore(o, arg, e);
        case OPT_CGROUP_NAME:
                return set_cgroup_name(o, arg, e);
        case OPT_FILTER_DIR:
                return set_dir("--filter-dir", arg, o->filter_dir, sizeof(o->filter_dir), e);
        case OPT_SET:
                return settings_put_text(&o->settings, arg, e);
        case OPT_CHECK_CONFIG:
                return set_task(o, TASK_CHECK_CONFIG, e);
        case OPT_NO_BUS:
                o->no_bus = true;
                return 0;
        default:
                return error_set(e, -EINVAL, "unknown option");
        }
}

/* Values of settings are checked here, so that a bad one is bad usage and not a bad file. */
static int check_settings(const Options *o, Error *e) {
        Policy p = POLICY_INIT;
        int r = policy_init_default(&p);

        if (r == 0)
                r = settings_apply(&o->settings, &p, e);
        policy_done(&p);
        return r;
}

int options_parse(int argc, char *argv[], Options *o, Error *e) {
        int c, r;

        take_dir("RUNTIME_DIRECTORY", DEFAULT_RUNTIME_DIR, o->runtime_dir, sizeof(o->runtime_dir));
        take_dir("STATE_DIRECTORY", "", o->state_dir, sizeof(o->state_dir));
        o->bus_address = getenv("AIKM_BUS_ADDRESS");
        if (o->bus_address && !o->bus_address[0])
                o->bus_address = NULL;

        opterr = 0;
        while ((c = getopt_long(argc, argv, ":h", long_options, NULL)) >= 0) {
                if (c == '?')
                        return error_set(e, -EINVAL, "unknown option %s", argv[optind - 1]);
                if (c == ':')
                        return error_set(e, -EINVAL, "option %s needs a value", argv[optind - 1]);
                r = parse_one(o, c, optarg, e);
                if (r < 0)
                        return r;
        }
        choose_state_dir(o);
        choose_filter_dir(o);
        if (optind < argc && o->task == TASK_CHECK_CONFIG) {
                o->files = argv + optind;
                o->n_files = (size_t)(argc - optind);
        } else if (optind < argc)
                return error_set(e, -EINVAL, "unexpected argument '%s'", argv[optind]);
        return check_settings(o, e);
}

void options_done(Options *o) {
        settings_done(&o->settings);
        free(o->config_dirs);
        *o = OPTIONS_INIT;
}
