/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A pcap file to packets (the format of libpcap's pcap-savefile(5)). */

#include <errno.h>

#include "models/packets/capture.h"

#define FRAME_MAX 262144
#define LINKTYPE_ETHERNET 1

typedef struct PcapHeader {
        uint32_t magic;
        uint16_t major;
        uint16_t minor;
        uint32_t reserved[2];
        uint32_t snapshot_length;
        uint32_t link_type;
} PcapHeader;

typedef struct PcapFrame {
        uint32_t seconds;
        uint32_t fraction;
        uint32_t size;   /* of what was captured */
        uint32_t length; /* of the frame */
} PcapFrame;

static uint32_t u32(uint32_t v, bool swapped) {
        return swapped ? __builtin_bswap32(v) : v;
}

static int add(Capture *c, size_t file, size_t number, const PcapFrame *f, int64_t fraction_ns,
               const unsigned char *bytes, const char *label) {
        struct filter_packet packet;
        CapturePacket *p;

        if (filter_twin_parse(bytes, f->size, f->length, &packet) != FILTER_KNOWN) {
                c->n_unknown++;
                return 0;
        }
        p = capture_add(c);
        if (!p)
                return -ENOMEM;
        p->packet = packet;
        p->at_ns = f->seconds * INT64_C(1000000000) + f->fraction * fraction_ns;
        p->file = file;
        p->line = number;
        snprintf(p->label, sizeof(p->label), "%s", label);
        return 0;
}

int capture_read_pcap(Capture *c, FILE *f, const char *path, const char *source, const char *label,
                      Error *e) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_
        unsigned char *bytes = NULL;
        bool swapped, nanoseconds;
        PcapHeader h;
        int64_t file;

        if (fread(&h, sizeof(h), 1, f) != 1)
                return error_set(e, -EINVAL, "%s: shorter than the header of a pcap file", path);
        swapped = h.magic == 0xd4c3b2a1 || h.magic == 0x4d3cb2a1;
        nanoseconds = u32(h.magic, swapped) == 0xa1b23c4d;
        if (!nanoseconds && u32(h.magic, swapped) != 0xa1b2c3d4)
                return error_set(e, -EINVAL, "%s: is no pcap file (pcapng is not read)", path);
        if ((u32(h.link_type, swapped) & 0xffff) != LINKTYPE_ETHERNET)
                return error_set(e, -EINVAL, "%s: link type %u; only Ethernet (1) is read", path,
                                 u32(h.link_type, swapped) & 0xffff);
        bytes = malloc(FRAME_MAX);
        file = capture_file(c, source, slash ? slash + 1 : path);
        if (!bytes || file < 0)
                return error_set(e, -ENOMEM, "%s: out of memory", path);

        for (size_t number = 1;; number++) {
                PcapFrame frame;
                size_t n = fread(&frame, 1, sizeof(frame), f);

                if (n == 0)
                        return 0;
                frame.seconds = u32(frame.seconds, swapped);
                frame.fraction = u32(frame.fraction, swapped);
                frame.size = u32(frame.size, swapped);
                frame.length = u32(frame.length, swapped);
                if (n < sizeof(frame) || frame.size > FRAME_MAX ||
                    fread(bytes, 1, frame.size, f) != frame.size)
                        return error_set(e, -EINVAL, "%s: cut or damaged in frame %zu", path,
                                         number);
                if (add(c, (size_t)file, number, &frame, nanoseconds ? 1 : 1000, bytes, label) < 0)
                        return error_set(e, -ENOMEM, "%s: out of memory", path);
        }
}
