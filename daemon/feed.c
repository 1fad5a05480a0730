/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/recording-format.h"

/* Anybody may knock, nobody may keep the daemon busy by it. */
#define KNOCK_INTERVAL (250 * USEC_PER_MSEC)
#define KNOCK_BURST 10

#define BUFFER_MIN ((size_t)256 * 1024)

struct Feed {
        const FeedOps *ops;
        void *userdata;
        sd_event *event;
        int runtime_fd; /* borrowed */
        uid_t user;     /* FEED_USER's; 0: not known (yet) */

        int listen_fd;
        sd_event_source *listen_source;
        int fd; /* the client's; -EBADF: none */
        sd_event_source *source;
        pid_t client;
        Recording *recording;

        /* data[begin, end) is still to be sent; from group on it is what no flush has ended yet */
        char *data;
        size_t begin, group, end, allocated;
        bool dropping;    /* the group does not fit: its rest is left out */
        bool catching_up; /* the client has to be told what it cannot know */
        uint64_t unsaid;  /* groups that were left out since the last FRAME_LOST */
        uint64_t lost;
};

static void feed_drop_client(Feed *f) {
        f->source = sd_event_source_disable_unref(f->source);
        f->recording = recording_close(f->recording);
        closep(&f->fd);
        f->fd = -EBADF;
        f->client = 0;
        free(TAKE_PTR(f->data));
        f->begin = f->group = f->end = f->allocated = 0;
        f->dropping = f->catching_up = false;
        f->unsaid = 0;
}

/* Room for size more bytes behind end. False: there is none. */
static bool feed_make_room(Feed *f, size_t size) {
        size_t used = f->end - f->begin, wanted;
        char *grown;

        if (size > FEED_BUFFER_MAX - used)
                return false;
        if (f->begin > 0 && f->end + size > f->allocated) {
                memmove(f->data, f->data + f->begin, used);
                f->group -= f->begin;
                f->end = used;
                f->begin = 0;
        }
        if (f->end + size <= f->allocated)
                return true;
        wanted = CLAMP(MAX(f->allocated * 2, f->end + size), BUFFER_MIN, FEED_BUFFER_MAX);
        grown = realloc(f->data, wanted);
        if (!grown)
                return false;
        f->data = grown;
        f->allocated = wanted;
        return true;
}

static bool feed_append(Feed *f, const void *data, size_t size) {
        if (!feed_make_room(f, size))
                return false;
        memcpy(f->data + f->end, data, size);
        f->end += size;
        return true;
}

/* The first frame of a group, where groups before it were left out. */
static bool feed_say_lost(Feed *f) {
        LostFrame frame = {
                .head = {.type = FRAME_LOST, .size = sizeof(frame.count)},
                .count = {.n = f->unsaid},
        };

        frame.head.check = frame_check(frame.head.type, frame.head.size);
        frame.head.hash = fnv1a64(FNV1A64_INIT, &frame.count, sizeof(frame.count));
        return feed_append(f, &frame, sizeof(frame));
}

static int feed_put(void *userdata, const void *data, size_t size) {
        Feed *f = userdata;

        if (f->dropping)
                return 0;
        if ((f->end == f->group && f->unsaid > 0 && !feed_say_lost(f)) ||
            !feed_append(f, data, size)) {
                f->dropping = true;
                f->end = f->group;
        }
        return 0;
}

/* Sends what the socket takes now; the rest when it takes more. */
static int feed_send(Feed *f) {
        while (f->begin < f->group) {
                ssize_t n = send(f->fd, f->data + f->begin, f->group - f->begin,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                f->begin += (size_t)n;
        }
        if (f->begin == f->end) {
                f->begin = f->group = f->end = 0;
                if (f->allocated > BUFFER_MIN) { /* it had fallen behind */
                        free(TAKE_PTR(f->data));
                        f->allocated = 0;
                }
        }
        return 0;
}

static void feed_watch(Feed *f) {
        uint32_t events = EPOLLIN | EPOLLRDHUP | (f->begin < f->group ? EPOLLOUT : 0);

        (void)sd_event_source_set_io_events(f->source, events);
}

static int feed_flush(void *userdata) {
        Feed *f = userdata;

        if (f->dropping) {
                f->dropping = false;
                f->catching_up = true;
                f->unsaid++;
                if (f->lost++ == 0)
                        f->ops->lost(f->lost, f->userdata);
        } else {
                if (f->end > f->group)
                        f->unsaid = 0;
                f->group = f->end;
        }
        /* A failure shows as a hang-up in the event loop: here the recording is still in use. */
        (void)feed_send(f);
        if (f->source)
                feed_watch(f);
        return 0;
}

static int feed_on_client(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Feed *f = userdata;

        /* It has nothing to say: what can be read is its end, or a stranger's protocol. */
        if ((revents & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) || feed_send(f) < 0)
                feed_drop_client(f);
        else
                feed_watch(f);
        return 0;
}

/* The user may come with a package that is installed later. */
static bool feed_admits(Feed *f, uid_t uid) {
        struct passwd entry, *found = NULL;
        char buffer[4096];

        if (uid == 0)
                return true;
        if (f->user == 0 && getpwnam_r(FEED_USER, &entry, buffer, sizeof(buffer), &found) == 0 &&
            found)
                f->user = found->pw_uid;
        return f->user != 0 && uid == f->user;
}

static int feed_on_knock(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        const RecordingSink sink = {.put = feed_put, .flush = feed_flush, .userdata = userdata};
        _cleanup_close_
        int client = -EBADF;
        struct ucred peer = {.uid = UINT32_MAX};
        socklen_t size = sizeof(peer);
        Feed *f = userdata;
        int r;

        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0 || f->fd >= 0 ||
            getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
            !feed_admits(f, peer.uid))
                return 0;
        f->fd = TAKE_FD(client);
        f->client = peer.pid;
        f->catching_up = true;
        r = sd_event_add_io(f->event, &f->source, f->fd, EPOLLIN | EPOLLRDHUP, feed_on_client, f);
        if (r >= 0)
                r = f->ops->begin(&sink, &f->recording, f->userdata);
        if (r < 0)
                feed_drop_client(f);
        return 0;
}

Recording *feed_recording(Feed *f) {
        return f ? f->recording : NULL;
}

void feed_catch_up(Feed *f) {
        if (!f || !f->recording || !f->catching_up)
                return;
        f->catching_up = false;
        f->ops->catch_up(f->recording, f->userdata);
}

void feed_get_status(const Feed *f, FeedStatus *ret) {
        *ret = (FeedStatus){0};
        if (f)
                *ret = (FeedStatus){
                        .connected = f->recording, .client = f->client, .lost = f->lost};
}

/* Anybody may connect, and learns by being hung up on. */
static int feed_listen(Feed *f) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        /* Through the directory's descriptor, so that no length of its path matters. */
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" FEED_SOCKET,
                 f->runtime_fd);
        f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (f->listen_fd < 0)
                return -errno;
        if (unlinkat(f->runtime_fd, FEED_SOCKET, 0) < 0 && errno != ENOENT)
                return -errno;
        if (bind(f->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            fchmodat(f->runtime_fd, FEED_SOCKET, 0666, 0) < 0 || listen(f->listen_fd, 4) < 0)
                return -errno;
        return 0;
}

int feed_new(sd_event *event, int runtime_fd, const FeedOps *ops, void *userdata, Feed **ret,
             Error *e) {
        _cleanup_(feed_freep)
        Feed *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return error_set(e, -ENOMEM, "out of memory");
        *f = (Feed){
                .ops = ops,
                .userdata = userdata,
                .event = sd_event_ref(event),
                .runtime_fd = runtime_fd,
                .listen_fd = -EBADF,
                .fd = -EBADF,
        };
        r = feed_listen(f);
        if (r >= 0)
                r = sd_event_add_io(f->event, &f->listen_source, f->listen_fd, EPOLLIN,
                                    feed_on_knock, f);
        if (r >= 0)
                r = sd_event_source_set_ratelimit(f->listen_source, KNOCK_INTERVAL, KNOCK_BURST);
        if (r < 0)
                return error_set(e, r, "cannot listen on %s: %s", FEED_SOCKET, strerror(-r));
        *ret = TAKE_PTR(f);
        return 0;
}

Feed *feed_free(Feed *f) {
        if (!f)
                return NULL;
        feed_drop_client(f);
        sd_event_source_disable_unref(f->listen_source);
        if (f->listen_fd >= 0)
                (void)unlinkat(f->runtime_fd, FEED_SOCKET, 0);
        closep(&f->listen_fd);
        sd_event_unref(f->event);
        free(f);
        return NULL;
}
