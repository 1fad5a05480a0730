/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/service-manager.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include "util/io.h"

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define UNIT_PREFIX MANAGER_PATH "/unit"

/* Answers have a few hundred bytes, and a busy manager may send signals between. */
#define BYTES_MAX ((size_t)256 * 1024)

struct ServiceManager {
        sd_bus *bus;
        int socket;  /* the bus writes to it and owns it; read here … */
        int feed;    /* … and handed to the bus through this */
        size_t left; /* bytes that may still come */
        usec_t deadline;
};

/* --- connecting ------------------------------------------------------------------------------ */

/* Below run/user/UID everything is that user's: no link of his leads out of it. */
static int open_socket_path(int root_fd, uid_t owner) {
        char path[96] = "run/systemd/private";

        if (owner != UNIT_OWNER_MACHINE)
                (void)snprintf(path, sizeof(path), "run/user/%" PRIu32 "/systemd/private",
                               (uint32_t)owner);
        return io_open_below(root_fd, path, O_PATH);
}

/* Who listens: a user may have put another manager's socket in the place of his. */
static int check_peer(int fd, int root_fd, uid_t owner) {
        struct ucred peer;
        socklen_t size = sizeof(peer);
        struct stat root;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        if (owner == UNIT_OWNER_MACHINE) {
                if (fstat(root_fd, &root) < 0)
                        return -errno;
                owner = root.st_uid;
        }
        return peer.uid == owner ? 0 : -EPERM;
}

static int open_socket(int root_fd, uid_t owner) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_
        int path_fd = -EBADF, fd = -EBADF;
        int r;

        path_fd = open_socket_path(root_fd, owner);
        if (path_fd < 0)
                return path_fd;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", path_fd);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno; /* nobody accepts */
        r = check_peer(fd, root_fd, owner);
        return r < 0 ? r : TAKE_FD(fd);
}

/* The bus gets a pair of descriptors of which it owns both. */
static int start_bus(ServiceManager *m) {
        _cleanup_close_
        int read_end = -EBADF;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
                r = -errno;
                close(m->socket);
                return r;
        }
        m->feed = pair[0];
        read_end = pair[1];
        r = sd_bus_new(&m->bus);
        if (r >= 0)
                r = sd_bus_set_fd(m->bus, read_end, m->socket);
        if (r < 0) {
                close(m->socket);
                return r;
        }
        TAKE_FD(read_end);
        return sd_bus_start(m->bus);
}

/* --- the conversation ------------------------------------------------------------------------ */

/* Waits for the peer and takes in what it sent. 0 or -errno. */
static int pump(ServiceManager *m) {
        struct pollfd p = {.fd = m->socket};
        struct timespec wait;
        char buffer[4096];
        usec_t now = usec_now(CLOCK_MONOTONIC);
        ssize_t n;
        int r;

        if (now >= m->deadline)
                return -ETIMEDOUT;
        wait = (struct timespec){.tv_sec = (time_t)((m->deadline - now) / USEC_PER_SEC),
                                 .tv_nsec = (long)((m->deadline - now) % USEC_PER_SEC * 1000)};
        r = sd_bus_get_events(m->bus);
        if (r < 0)
                return r;
        p.events = (short)(POLLIN | (r & POLLOUT));
        r = ppoll(&p, 1, &wait, NULL);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        if (!(p.revents & ~POLLOUT))
                return 0;
        if (m->left == 0)
                return -EMSGSIZE;
        n = read(m->socket, buffer, MIN(sizeof(buffer), m->left));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        m->left -= (size_t)n;
        if (send(m->feed, buffer, (size_t)n, MSG_NOSIGNAL) != n)
                return -EMSGSIZE;
        return 0;
}

/* The next message from the peer. sd_bus_call() would wait for authentication, and for writing,
 * longer than it is told to. */
static int next_message(ServiceManager *m, sd_bus_message **ret) {
        for (;;) {
                sd_bus_message *message = NULL;
                int r;

                r = sd_bus_process(m->bus, &message);
                if (r < 0)
                        return r == -EBADMSG ? -EPROTO : r;
                if (message) {
                        *ret = message;
                        return 0;
                }
                if (r == 0) {
                        r = pump(m);
                        if (r < 0)
                                return r;
                } else if (usec_now(CLOCK_MONOTONIC) >= m->deadline)
                        return -ETIMEDOUT;
        }
}

static int await_ready(ServiceManager *m) {
        for (;;) {
                int r = sd_bus_is_ready(m->bus);

                if (r != 0)
                        return MIN(r, 0);
                r = sd_bus_process(m->bus, NULL);
                if (r == 0)
                        r = pump(m);
                if (r < 0)
                        return r;
        }
}

static int convert(const sd_bus_error *error) {
        static const struct {
                const char *name;
                int code;
        } known[] = {
                {MANAGER ".NoSuchUnit", -ESRCH},
                {MANAGER ".LoadFailed", -ESRCH},
                {MANAGER ".UnitExists", -EEXIST},
                {MANAGER ".UnitMasked", -EROFS},
                {MANAGER ".BadUnitSetting", -EROFS},
                {MANAGER ".NoSuchProcess", -ESRCH},
                {SD_BUS_ERROR_NO_REPLY, -ETIMEDOUT},
                {SD_BUS_ERROR_TIMEOUT, -ETIMEDOUT},
                {SD_BUS_ERROR_ACCESS_DENIED, -EACCES},
                {SD_BUS_ERROR_UNKNOWN_PROPERTY, -EOPNOTSUPP},
                {SD_BUS_ERROR_UNKNOWN_METHOD, -EOPNOTSUPP},
                {SD_BUS_ERROR_UNKNOWN_INTERFACE, -EOPNOTSUPP},
                {SD_BUS_ERROR_UNKNOWN_OBJECT, -ESRCH},
        };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (sd_bus_error_has_name(error, known[i].name))
                        return known[i].code;
        return -EIO;
}

/* Sends and waits for the answer; what else comes is let go. */
static int call(ServiceManager *m, sd_bus_message *request, sd_bus_message **ret_reply, Error *e) {
        uint64_t cookie;
        int r;

        r = sd_bus_send(m->bus, request, &cookie);
        if (r < 0)
                return r;
        for (;;) {
                _cleanup_(sd_bus_message_unrefp)
                sd_bus_message *reply = NULL;
                uint64_t answered;

                r = next_message(m, &reply);
                if (r < 0)
                        return r;
                if (sd_bus_message_get_reply_cookie(reply, &answered) < 0 || answered != cookie)
                        continue;
                if (sd_bus_message_is_method_error(reply, NULL)) {
                        const sd_bus_error *error = sd_bus_message_get_error(reply);

                        return error_set(e, convert(error), "%s",
                                         error->message ? error->message : error->name);
                }
                if (ret_reply)
                        *ret_reply = TAKE_PTR(reply);
                return 0;
        }
}

int service_manager_connect(int root_fd, uid_t owner, usec_t timeout, ServiceManager **ret) {
        _cleanup_(service_manager_freep)
        ServiceManager *m = NULL;
        int r;

        m = malloc(sizeof(*m));
        if (!m)
                return -ENOMEM;
        *m = (ServiceManager){
                .feed = -EBADF, .left = BYTES_MAX, .deadline = usec_now(CLOCK_MONOTONIC) + timeout};
        m->socket = open_socket(root_fd, owner);
        if (m->socket < 0)
                return m->socket;
        r = start_bus(m);
        if (r >= 0)
                r = await_ready(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

void service_manager_extend(ServiceManager *m, usec_t timeout) {
        m->deadline = usec_now(CLOCK_MONOTONIC) + timeout;
}

ServiceManager *service_manager_free(ServiceManager *m) {
        if (!m)
                return NULL;
        sd_bus_close_unref(m->bus);
        closep(&m->feed);
        free(m);
        return NULL;
}

/* --- what is asked --------------------------------------------------------------------------- */

/* type: 't' or 's'. The answer's type is the peer's word: it is checked. */
static int get_property(ServiceManager *m, const UnitName *unit, const char *interface,
                        const char *property, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *request = NULL;
        _cleanup_free_
        char *path = NULL;
        int r;

        r = sd_bus_path_encode(UNIT_PREFIX, unit->name, &path);
        if (r >= 0)
                r = sd_bus_message_new_method_call(m->bus, &request, NULL, path,
                                                   "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_append(request, "ss", interface, property);
        return r < 0 ? r : call(m, request, ret, NULL);
}

int service_manager_check_unit(ServiceManager *m, const UnitName *unit) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        const char *state;
        int r;

        r = get_property(m, unit, MANAGER ".Unit", "LoadState", &reply);
        if (r < 0)
                return r;
        if (sd_bus_message_read(reply, "v", "s", &state) < 0)
                return -EPROTO;
        return streq(state, "not-found") ? -ESRCH : 0;
}

int service_manager_get_u64(ServiceManager *m, const UnitName *unit, const char *property,
                            uint64_t *ret) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *reply = NULL;
        char interface[64];
        uint64_t value;
        int r;

        (void)snprintf(interface, sizeof(interface), MANAGER ".%s", unit->section);
        r = get_property(m, unit, interface, property, &reply);
        if (r < 0)
                return r;
        if (sd_bus_message_read(reply, "v", "t", &value) < 0)
                return -EPROTO;
        *ret = value;
        return 0;
}

int service_manager_set_u64(ServiceManager *m, const UnitName *unit, const char *property,
                            uint64_t value) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *request = NULL;
        int r;

        r = sd_bus_message_new_method_call(m->bus, &request, NULL, MANAGER_PATH, MANAGER ".Manager",
                                           "SetUnitProperties");
        if (r >= 0)
                r = sd_bus_message_append(request, "sba(sv)", unit->name, /* runtime= */ 1, 1,
                                          property, "t", value);
        return r < 0 ? r : call(m, request, NULL, NULL);
}

/* JobRemoved: id, path, unit, result. */
static int await_job(ServiceManager *m, const char *job, Error *e) {
        for (;;) {
                _cleanup_(sd_bus_message_unrefp)
                sd_bus_message *message = NULL;
                const char *path, *unit, *result;
                uint32_t id;
                int r;

                r = next_message(m, &message);
                if (r < 0)
                        return error_set(e, r, "no end of %s: %s", job, strerror(-r));
                if (!sd_bus_message_is_signal(message, MANAGER ".Manager", "JobRemoved"))
                        continue;
                if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0)
                        return error_set(e, -EPROTO, "JobRemoved cannot be read");
                if (!streq(path, job))
                        continue;
                return streq(result, "done")
                               ? 0
                               : error_set(e, -ECANCELED, "starting %s: %s", unit, result);
        }
}

int service_manager_start_scope(ServiceManager *m, const char *name, const char *slice,
                                const char *description, pid_t pid, Error *e) {
        _cleanup_(sd_bus_message_unrefp)
        sd_bus_message *request = NULL, *reply = NULL;
        const char *job;
        int r;

        r = sd_bus_message_new_method_call(m->bus, &request, NULL, MANAGER_PATH, MANAGER ".Manager",
                                           "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(request, "ssa(sv)a(sa(sv))", name, "fail", 4,
                                          "Description", "s", description, "Slice", "s", slice,
                                          "PIDs", "au", 1, (uint32_t)pid, "CollectMode", "s",
                                          "inactive-or-failed", 0);
        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        r = call(m, request, &reply, e);
        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        if (sd_bus_message_read(reply, "o", &job) < 0)
                return error_set(e, -EPROTO, "StartTransientUnit: no job");
        return await_job(m, job, e);
}
