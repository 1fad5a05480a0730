/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/remote.h"

#include <errno.h>
#include <signal.h>
#include <systemd/sd-bus.h>

#include "util/error.h"
#include "util/io.h"

/* What the bridge's process may take to end after it has closed the connection. */
static const struct timespec end_patience = {.tv_sec = 2};

static const char letters_and_digits[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* n characters of s, each a letter, a digit or one of more; not empty, and no option. */
static bool is_word(const char *s, size_t n, const char *more) {
        if (n == 0 || s[0] == '-')
                return false;
        for (size_t i = 0; i < n; i++)
                if (!s[i] || (!strchr(letters_and_digits, s[i]) && !strchr(more, s[i])))
                        return false;
        return true;
}

/* Takes "USER@" off the front of *s; false: there is one that is none. */
static bool skip_user(const char **s, const char *more) {
        const char *at = strrchr(*s, '@');

        if (!at)
                return true;
        if (!is_word(*s, (size_t)(at - *s), more))
                return false;
        *s = at + 1;
        return true;
}

/* HOST or [ADDRESS], and ":PORT" behind it. */
static bool is_host_and_port(const char *s, size_t n) {
        const char *colon = memrchr(s, ':', n), *bracket = memchr(s, ']', n);
        size_t host = n;
        char port[8] = "";
        uint64_t u;

        if (n > 0 && s[0] == '[') {
                if (!bracket || !is_word(s + 1, (size_t)(bracket - s) - 1, ".:%_-"))
                        return false;
                host = (size_t)(bracket - s) + 1;
                if (host == n)
                        return true;
                if (s[host] != ':')
                        return false;
        } else {
                host = colon ? (size_t)(colon - s) : n;
                if (!is_word(s, host, "._-"))
                        return false;
                if (host == n)
                        return true;
        }
        if (n - host - 1 >= sizeof(port))
                return false;
        memcpy(port, s + host + 1, n - host - 1);
        return parse_u64(port, 1, 65535, &u) >= 0;
}

int remote_check_host(const char *host, Error *e) {
        const char *s = host, *slash = strchr(host, '/');
        size_t n;

        if (skip_user(&s, "._-+@") && (!slash || slash >= s)) {
                n = slash ? (size_t)(slash - s) : strlen(s);
                if (is_host_and_port(s, n) &&
                    (!slash || is_word(slash + 1, strlen(slash + 1), "._-")))
                        return 0;
        }
        return error_set(e, -EINVAL, "--host %s: not [USER@]HOST[:PORT][/CONTAINER]", host);
}

int remote_check_machine(const char *machine, Error *e) {
        const char *s = machine;

        /* systemctl takes an empty machine after the user for this one. */
        if (skip_user(&s, "._-+") && ((s > machine && !*s) || is_word(s, strlen(s), "._-")))
                return 0;
        return error_set(e, -EINVAL, "--machine %s: not [USER@]CONTAINER or [USER@].host", machine);
}

const char *remote_option(const Context *c) {
        return c->host ? "--host" : c->machine ? "--machine" : NULL;
}

const char *remote_name(const Context *c) {
        return c->host ?: c->machine;
}

bool remote_is_foreign(const Context *c) {
        const char *at = c->machine ? strrchr(c->machine, '@') : NULL, *name;

        if (c->host || !c->machine)
                return c->host;
        name = at ? at + 1 : c->machine;
        return name[0] && !streq(name, ".host");
}

/* Whether execvp() would find a program. */
static bool is_in_path(const char *program) {
        const char *path = getenv("PATH") ?: "/bin:/usr/bin";

        for (;;) {
                const char *end = strchrnul(path, ':');
                char file[4096];
                int n = snprintf(file, sizeof(file), "%.*s%s%s", (int)(end - path), path,
                                 end > path ? "/" : "", program);

                if (n > 0 && (size_t)n < sizeof(file) && access(file, X_OK) == 0)
                        return true;
                if (!*end)
                        return false;
                path = end + 1;
        }
}

/* What sd-bus starts for the way there; NULL: nothing. */
static const char *bridge_program(const Context *c) {
        return c->host ? "ssh" : strchr(c->machine, '@') ? "systemd-run" : NULL;
}

/* The status with which the bridge's process ended: it is the only child there is. Its signal is
 * asked, for sd-bus may have reaped it already. -1: there is none, it goes on, or was killed. */
static int bridge_status(const Context *c) {
        siginfo_t si;
        sigset_t set;

        if (!bridge_program(c))
                return -1;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        if (sigtimedwait(&set, &si, &end_patience) < 0)
                return -1;
        return si.si_code == CLD_EXITED ? si.si_status : -1;
}

/* Until the bus has said hello. */
static int wait_ready(sd_bus *bus) {
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r < 0)
                        return r;
                /* sd_bus_process() once more would end the bridge before it has ended itself. */
                if (sd_bus_is_open(bus) <= 0)
                        return -ECONNRESET;
                if (sd_bus_is_ready(bus) > 0)
                        return 0;
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static int explain_host(const Context *c, int r, int status, Error *e) {
        if (r == -ETIMEDOUT)
                return error_set(e, r, "%s: no answer in time through ssh", c->host);
        switch (status) {
        case 255: /* ssh's own, which has said more on stderr */
                return error_set(e, r,
                                 "cannot reach %s: ssh failed to connect or to log in (its message "
                                 "stands above)",
                                 c->host);
        case 126:
        case 127: /* the shell's there */
                return error_set(e, r,
                                 "cannot reach the system bus of %s: systemd-stdio-bridge, a part "
                                 "of systemd, cannot be run there",
                                 c->host);
        case -1:
                return error_set(e, r, "cannot reach the system bus of %s by ssh: %s", c->host,
                                 strerror(-r));
        default:
                return error_set(e, r,
                                 "cannot reach the system bus of %s: systemd-stdio-bridge ended "
                                 "there with status %d; does a system bus run?",
                                 c->host, status);
        }
}

static int explain_machine(const Context *c, int r, int status, Error *e) {
        if (status > 0)
                return error_set(e, r,
                                 "cannot reach the system bus of machine %s: systemd-run ended "
                                 "with status %d",
                                 c->machine, status);
        if (!remote_is_foreign(c))
                return error_set(e, r, "cannot reach the system bus of this machine: %s",
                                 strerror(-r));
        if (r == -EHOSTDOWN || r == -ENXIO || r == -ENOENT)
                return error_set(e, r, "machine %s is not running; machinectl lists those that are",
                                 c->machine);
        if (r == -EPERM || r == -EACCES)
                return error_set(e, r, "cannot enter machine %s: %s (only root may)", c->machine,
                                 strerror(-r));
        return error_set(e, r, "cannot reach the system bus of machine %s: %s", c->machine,
                         strerror(-r));
}

static int check_program(const Context *c, Error *e) {
        const char *program = bridge_program(c);

        /* Newer releases of sd-bus let SYSTEMD_SSH name another. */
        if (!program || is_in_path(program) || (c->host && secure_getenv("SYSTEMD_SSH")))
                return 0;
        return error_set(e, -ENOENT, "cannot reach %s: %s is not installed here", remote_name(c),
                         program);
}

int remote_open(Context *c, Error *e) {
        _cleanup_(sd_bus_flush_close_unrefp)
        sd_bus *bus = NULL;
        sigset_t child, before;
        int r, status = -1;

        if (check_program(c, e) < 0)
                return CLI_FAILURE;
        /* Blocked, the bridge's end waits to be asked for. */
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &child, &before) < 0) {
                error_set(e, -errno, "cannot block SIGCHLD: %s", strerror(errno));
                return CLI_FAILURE;
        }
        r = c->host ? sd_bus_open_system_remote(&bus, c->host)
                    : sd_bus_open_system_machine(&bus, c->machine);
        if (r >= 0)
                r = wait_ready(bus);
        if (r == -ECONNRESET || r == -EPIPE || r == -ENOTCONN || r == -ECONNREFUSED)
                status = bridge_status(c);
        if (r < 0)
                (void)(c->host ? explain_host(c, r, status, e) : explain_machine(c, r, status, e));
        else
                c->bus = TAKE_PTR(bus);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        return r < 0 ? CLI_FAILURE : CLI_OK;
}
