/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The frames of a pcap file to packets. */

#include <errno.h>

#include "models/packets/capture.h"
#include "models/packets/pcap.h"

static int add(Capture *c, size_t file, size_t number, const PcapFrame *f, const char *label) {
        struct filter_packet packet;
        CapturePacket *p;

        if (filter_twin_parse(f->bytes, f->size, f->length, &packet) != FILTER_KNOWN) {
                c->n_unknown++;
                return 0;
        }
        p = capture_add(c);
        if (!p)
                return -ENOMEM;
        p->packet = packet;
        p->at_ns = f->at_ns;
        p->file = file;
        p->line = number;
        snprintf(p->label, sizeof(p->label), "%s", label);
        return 0;
}

int capture_read_pcap(Capture *c, FILE *f, const char *path, const char *source, const char *label,
                      Error *e) {
        _cleanup_(pcap_done)
        Pcap pcap = PCAP_INIT;
        PcapFrame frame;
        int64_t file;
        int r;

        if (strpbrk(path, ",\r\n"))
                return error_set(e, -EINVAL, "%s: rows can not hold a name with a comma", path);
        r = pcap_open(f, path, &pcap, e);
        if (r < 0)
                return r;
        file = capture_file(c, source, path);
        if (file < 0)
                return error_set(e, -ENOMEM, "%s: out of memory", path);
        while ((r = pcap_next(&pcap, &frame, e)) > 0)
                if (add(c, (size_t)file, pcap.n_frames, &frame, label) < 0)
                        return error_set(e, -ENOMEM, "%s: out of memory", path);
        return r;
}
