/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Packets of recorded traffic, in the order of their time: what training rows are made of. Read
 * from a pcap file, or from a CSV file of headers, where no frame is at hand.
 */

#include "collectors/filter-twin.h"
#include "util/error.h"

/* Packets that have to do with each other: one file of one source. */
typedef struct CaptureFile {
        char *source;
        char *name;
} CaptureFile;

typedef struct CapturePacket {
        struct filter_packet packet;
        int64_t at_ns;
        size_t file; /* into files */
        size_t line; /* or number of the frame, from 1; breaks ties */
        char label[8];
        char class[24];
} CapturePacket;

typedef struct Capture {
        CaptureFile *files;
        size_t n_files;
        CapturePacket *packets;
        size_t n_packets;
        size_t capacity;
        size_t n_unknown; /* that the filter does not judge, and so are left out */
} Capture;

#define CAPTURE_INIT ((Capture){.n_files = 0})

void capture_done(Capture *c);

/* Room for one more packet, zeroed and counted; NULL: out of memory. */
CapturePacket *capture_add(Capture *c);

/* The file of that source and name, new where there is none; negative: -ENOMEM. */
int64_t capture_file(Capture *c, const char *source, const char *name);

/* By file, then by time, then as they were read. */
void capture_sort(Capture *c);

/*
 * Reads a CSV file whose first line names its columns, in any order: src, file, label, cls (any
 * text without commas), ts_us, sid, did (numbers that stand for addresses within a file), v, proto,
 * iplen, ihl, df, frag, sport, dport, flags, win, plen; others are ignored. Returns 0, -EINVAL or
 * -ENOMEM; *e names line, column and value.
 */
int capture_read_headers(Capture *c, FILE *f, const char *path, Error *e);

/* Reads a pcap file of Ethernet frames, of either byte order, with micro- or nanoseconds. source
 * and label are those of all its packets. Returns 0, -EINVAL or -ENOMEM; *e names the path and why.
 */
int capture_read_pcap(Capture *c, FILE *f, const char *path, const char *source, const char *label,
                      Error *e);
