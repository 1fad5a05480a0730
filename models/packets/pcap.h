/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Frames of a pcap file, one after the other (the format of libpcap's pcap-savefile(5)): Ethernet,
 * either byte order, micro- or nanoseconds. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/error.h"
#include "util/macro.h"

typedef struct Pcap {
        FILE *file;       /* borrowed */
        const char *path; /* borrowed, for error texts */
        uint8_t *bytes;
        bool swapped;
        int64_t unit_ns;
        size_t n_frames; /* so far */
} Pcap;

#define PCAP_INIT ((Pcap){.n_frames = 0})

typedef struct PcapFrame {
        const uint8_t *bytes; /* valid until the next one */
        uint32_t size;        /* of what was captured */
        uint32_t length;      /* of the frame, not less */
        int64_t at_ns;        /* since 1970 */
} PcapFrame;

/* Reads the header of a file that stands at its beginning. Returns 0, -EINVAL or -ENOMEM; *e names
 * the path and why. */
int pcap_open(FILE *f, const char *path, Pcap *ret, Error *e);
void pcap_done(Pcap *p);

/* Returns 1, 0 at the end, or -EINVAL where the file is cut or damaged. */
int pcap_next(Pcap *p, PcapFrame *ret, Error *e);
