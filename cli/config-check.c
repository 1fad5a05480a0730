/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `config check` asks aikmd itself, so that client and daemon can never disagree about a file. */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "cli/json.h"
#include "cli/program.h"
#include "cli/verbs.h"
#include "util/error.h"

enum { OPTION_CONFIG_DIR };

static const Option options[] = {
        [OPTION_CONFIG_DIR] = {0, "config-dir", "DIR",
                               "check this folder instead of the standard ones"},
        {0},
};

/* Where aikmd may lie, seen from aikmctl's folder: installed together, sbin, the build tree. */
static const char *const places[] = {"aikmd", "../sbin/aikmd", "../libexec/aikmd",
                                     "../daemon/aikmd"};

/* Reads to the end, keeps what fits. */
static void read_output(int fd, char *buffer, size_t size) {
        size_t n = 0;

        for (;;) {
                char rest[512];
                bool full = n + 1 >= size;
                ssize_t k = read(fd, full ? rest : buffer + n, full ? sizeof(rest) : size - 1 - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        break;
                if (!full)
                        n += (size_t)k;
        }
        while (n > 0 && buffer[n - 1] == '\n')
                n--;
        buffer[n] = '\0';
}

/* Runs argv, both its outputs into buffer. Returns its exit status (128 + signal), or -errno. */
static int run_captured(char **argv, char *buffer, size_t size) {
        _cleanup_close_
        int in = -EBADF, out = -EBADF;
        int fds[2], status;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        in = fds[0];
        out = fds[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                if (dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0)
                        execv(argv[0], argv);
                _exit(127);
        }
        close(TAKE_FD(out));
        read_output(in, buffer, size);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int print_json(int status, const char *message) {
        _cleanup_json_ json_object *o = json_object_new_object();

        if (!o || json_set(o, "valid", json_object_new_boolean(status == 0)) < 0 ||
            json_set(o, "status", json_object_new_int(status)) < 0 ||
            json_set(o, "message", json_object_new_string(message)) < 0)
                return fail("out of memory");
        return json_print(o);
}

static int check(Context *c, const Args *args) {
        _cleanup_free_
        char **argv = NULL;
        char daemon[4096], message[8192] = "";
        size_t n = 0;
        int r;

        r = program_find("AIKM_DAEMON", places, ELEMENTSOF(places), daemon, sizeof(daemon));
        if (r < 0)
                return fail("aikmd is not found beside aikmctl (%s); AIKM_DAEMON may name it",
                            strerror(-r));
        argv = calloc(args->n_positional + 5, sizeof(*argv));
        if (!argv)
                return fail("out of memory");
        argv[n++] = daemon;
        argv[n++] = (char *)"--check-config";
        if (args->value[OPTION_CONFIG_DIR]) {
                argv[n++] = (char *)"--config-dir";
                argv[n++] = (char *)args->value[OPTION_CONFIG_DIR];
        }
        for (size_t i = 1; i < args->n_positional; i++)
                argv[n++] = args->positional[i];

        r = run_captured(argv, message, sizeof(message));
        if (r < 0)
                return fail("cannot run %s: %s", daemon, strerror(-r));
        if (r == 127 && !message[0])
                return fail("cannot run %s", daemon);
        if (c->json) {
                int s = print_json(r, message);

                return s == CLI_OK ? r : s;
        }
        if (message[0])
                fprintf(r == 0 ? stdout : stderr, "%s\n", message);
        else if (r == 0)
                puts("The configuration is valid.");
        else
                fail("%s ended with status %d and no message", daemon, r);
        return r;
}

static int run(Context *c, int argc, char **argv) {
        Args args;
        int r;

        if (!args_begin(c, &verb_spec_config, argc, argv, &args, &r))
                return r;
        if (!streq(args.positional[0], "check")) {
                fail("config %s: not check", args.positional[0]);
                return CLI_USAGE;
        }
        if (args.value[OPTION_CONFIG_DIR] && args.n_positional > 1) {
                fail("config check takes either --config-dir or files, not both");
                return CLI_USAGE;
        }
        return check(c, &args);
}

const Verb verb_spec_config = {
        .name = "config",
        .args = "check [FILE…]",
        .summary = "Checks configuration files without a running daemon.",
        .options = options,
        .min_args = 1,
        .max_args = SIZE_MAX,
        .run = run,
        .local = true,
        .details = "Without a file: all that the daemon would read. The status is 0 where all of "
                   "it is valid.",
};
