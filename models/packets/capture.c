/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "models/packets/capture.h"

#include <errno.h>

void capture_done(Capture *c) {
        for (size_t i = 0; i < c->n_files; i++) {
                free(c->files[i].source);
                free(c->files[i].name);
        }
        free(c->files);
        free(c->packets);
        *c = CAPTURE_INIT;
}

CapturePacket *capture_add(Capture *c) {
        CapturePacket *p;

        if (c->n_packets == c->capacity) {
                size_t capacity = c->capacity > 0 ? c->capacity * 2 : 1024;

                p = realloc(c->packets, capacity * sizeof(*p));
                if (!p)
                        return NULL;
                c->packets = p;
                c->capacity = capacity;
        }
        p = &c->packets[c->n_packets++];
        memset(p, 0, sizeof(*p));
        return p;
}

int64_t capture_file(Capture *c, const char *source, const char *name) {
        _cleanup_free_
        char *s = NULL, *n = NULL;
        CaptureFile *files;

        /* Mostly the one that the packet before was of. */
        for (size_t i = c->n_files; i-- > 0;)
                if (streq(c->files[i].name, name) && streq(c->files[i].source, source))
                        return (int64_t)i;
        s = strdup(source);
        n = strdup(name);
        files = realloc(c->files, (c->n_files + 1) * sizeof(*files));
        if (files)
                c->files = files;
        if (!files || !s || !n)
                return -ENOMEM;
        c->files[c->n_files].source = TAKE_PTR(s);
        c->files[c->n_files].name = TAKE_PTR(n);
        return (int64_t)c->n_files++;
}

static int packet_compare(const void *a, const void *b) {
        const CapturePacket *p = a, *q = b;

        if (p->file != q->file)
                return p->file < q->file ? -1 : 1;
        if (p->at_ns != q->at_ns)
                return p->at_ns < q->at_ns ? -1 : 1;
        return p->line < q->line ? -1 : p->line > q->line;
}

void capture_sort(Capture *c) {
        if (c->n_packets > 0)
                qsort(c->packets, c->n_packets, sizeof(*c->packets), packet_compare);
}
