/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "models/packets/pcap.h"

#include <errno.h>
#include <stdlib.h>

#define FRAME_MAX 262144
#define LINKTYPE_ETHERNET 1

typedef struct FileHeader {
        uint32_t magic;
        uint16_t major;
        uint16_t minor;
        uint32_t reserved[2];
        uint32_t snapshot_length;
        uint32_t link_type;
} FileHeader;

typedef struct FrameHeader {
        uint32_t seconds;
        uint32_t fraction;
        uint32_t size;
        uint32_t length;
} FrameHeader;

static uint32_t u32(uint32_t v, bool swapped) {
        return swapped ? __builtin_bswap32(v) : v;
}

int pcap_open(FILE *f, const char *path, Pcap *ret, Error *e) {
        bool swapped, nanoseconds;
        FileHeader h;

        if (fread(&h, sizeof(h), 1, f) != 1)
                return error_set(e, -EINVAL, "%s: shorter than the header of a pcap file", path);
        swapped = h.magic == 0xd4c3b2a1 || h.magic == 0x4d3cb2a1;
        nanoseconds = u32(h.magic, swapped) == 0xa1b23c4d;
        if (!nanoseconds && u32(h.magic, swapped) != 0xa1b2c3d4)
                return error_set(e, -EINVAL, "%s: is no pcap file (pcapng is not read)", path);
        if ((u32(h.link_type, swapped) & 0xffff) != LINKTYPE_ETHERNET)
                return error_set(e, -EINVAL, "%s: link type %u; only Ethernet (1) is read", path,
                                 u32(h.link_type, swapped) & 0xffff);
        *ret = (Pcap){.file = f,
                      .path = path,
                      .bytes = malloc(FRAME_MAX),
                      .swapped = swapped,
                      .unit_ns = nanoseconds ? 1 : 1000};
        return ret->bytes ? 0 : error_set(e, -ENOMEM, "%s: out of memory", path);
}

void pcap_done(Pcap *p) {
        free(p->bytes);
        *p = PCAP_INIT;
}

int pcap_next(Pcap *p, PcapFrame *ret, Error *e) {
        FrameHeader h;
        size_t n = fread(&h, 1, sizeof(h), p->file);

        if (n == 0)
                return 0;
        h.size = u32(h.size, p->swapped);
        h.length = u32(h.length, p->swapped);
        p->n_frames++;
        if (n < sizeof(h) || h.size > FRAME_MAX || fread(p->bytes, 1, h.size, p->file) != h.size)
                return error_set(e, -EINVAL, "%s: cut or damaged in frame %zu", p->path,
                                 p->n_frames);
        *ret = (PcapFrame){.bytes = p->bytes,
                           .size = h.size,
                           .length = MAX(h.length, h.size),
                           .at_ns = u32(h.seconds, p->swapped) * INT64_C(1000000000) +
                                    u32(h.fraction, p->swapped) * p->unit_ns};
        return 1;
}
