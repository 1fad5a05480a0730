/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What happens, live, for whoever writes it to a disk, which the daemon must never wait for: a
 * socket in the runtime directory that gives its one client the frames of a recording.
 *
 * Admitted are root and the user aikm-record, one at a time. Nothing ever blocks: what the client
 * has not read yet waits in memory, up to FEED_BUFFER_MAX. Where a tick does not fit, all of it is
 * left out, and a FRAME_LOST says so in front of the next that fits. While nobody is connected it
 * costs nothing.
 *
 * The stream begins with magic and header; behind its first sample, and the first after a
 * FRAME_LOST, there is a FRAME_IDENT for every process that is known already. What the pipeline
 * knew before is not in it: it cannot be replayed.
 */

#include <systemd/sd-event.h>

#include "daemon/recording.h"

#define FEED_SOCKET "record"
#define FEED_USER "aikm-record"
#define FEED_BUFFER_MAX ((size_t)8 * 1024 * 1024)

typedef struct Feed Feed;

typedef struct FeedOps {
        /* A client is there: makes the recording, by recording_create_sink(). 0 or -errno. */
        int (*begin)(const RecordingSink *sink, Recording **ret, void *userdata);
        /* Writes what such a client cannot know: who the processes are. */
        void (*catch_up)(Recording *r, void *userdata);
        /* Lost: ticks so far, of all clients; told when it happens for the first time. */
        void (*lost)(uint64_t lost, void *userdata);
} FeedOps;

typedef struct FeedStatus {
        bool connected;
        pid_t client;  /* its pid; 0: none */
        uint64_t lost; /* ticks that did not fit, of all clients */
} FeedStatus;

/* ops are borrowed. Returns 0 or -errno with *e set. */
int feed_new(sd_event *event, int runtime_fd, const FeedOps *ops, void *userdata, Feed **ret,
             Error *e);
Feed *feed_free(Feed *f);
DEFINE_CLEANUP(Feed *, feed_free);

/* Where to write; NULL: nobody is connected. f may be NULL. Writing to it never fails. */
Recording *feed_recording(Feed *f);
/* After a tick's sample: tells a client that is new, or has lost ticks, what it cannot know. f may
 * be NULL. */
void feed_catch_up(Feed *f);

void feed_get_status(const Feed *f, FeedStatus *ret);
