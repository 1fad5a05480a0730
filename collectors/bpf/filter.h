/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_FILTER_H
#define AIKM_BPF_FILTER_H

/*
 * What the traffic filter and its loader share: the maps' values, samples, and what an object says
 * of itself. Whoever changes any of it raises FILTER_LAYOUT: a program then never meets maps, nor a
 * loader a pinned program, of another make.
 */

#include <linux/types.h>

#define FILTER_LAYOUT 2

/* Why a packet is not judged. It is passed and counted. X(identifier, words) */
#define FILTER_REASONS(X)                                                                          \
	X(KNOWN, "judged")                                                                         \
	X(SHORT_FRAME, "frame ends before its IP header")                                          \
	X(NOT_IP, "neither IPv4 nor IPv6")                                                         \
	X(VLAN_DEPTH, "more than two VLAN tags")                                                   \
	X(BAD_VERSION, "version is not that of its type")                                          \
	X(BAD_HEADER_LENGTH, "IPv4 header length below 20")                                        \
	X(BAD_LENGTH, "IP length shorter than its header")                                         \
	X(TRUNCATED, "frame ends before its IP length")                                            \
	X(EXTENSIONS, "IPv6 extension headers too many, too long or cut")                          \
	X(MAPPED, "IPv4 address in an IPv6 header")                                                \
	X(SHORT_TRANSPORT, "ends within its transport header")                                     \
	X(BAD_TRANSPORT_LENGTH, "transport header or length that can not be")                      \
	X(NO_STATE, "no room to remember it")

enum filter_reason {
#define X(id, words) FILTER_##id,
	FILTER_REASONS(X)
#undef X
		FILTER_REASON_COUNT
};

enum filter_verdict {
	FILTER_UNKNOWN, /* not judged, passed: see the reason */
	FILTER_ALLOWED, /* its source is on the allow-list: not judged, passed */
	FILTER_BENIGN,
	FILTER_MALICIOUS, /* dropped while enforcing, else passed */
	FILTER_VERDICT_COUNT
};

enum filter_protocol {
	FILTER_TCP,
	FILTER_UDP,
	FILTER_ICMP, /* and ICMPv6 */
	FILTER_OTHER,
	FILTER_PROTOCOL_COUNT
};

#define FILTER_CLASSES 16 /* that are counted apart; the last also stands for all above */
#define FILTER_FOREVER (~0ULL)

/* The kill switch is there for a model that is wrong about many. A flood is most of the packets,
 * but of few sources: each counts in a window with up to so many packets judged, malicious ones
 * first. */
#define FILTER_METER_OF_SOURCE 64

/* Map `config`, one, mapped by the loader, which alone writes: each word by itself. */
struct filter_config {
	__u32 layout;
	__u32 kill_permille;	/* of a window's packets that may be dropped; 1000: all */
	__u64 field_hash;	/* PACKET_FIELDS_HASH */
	__u64 enforce_until_ns; /* CLOCK_BOOTTIME; 0: shadow, FILTER_FOREVER: without end */
	__u64 kill_packets_min; /* of a window, before their share means anything */
	__u64 sample_interval_ns[FILTER_VERDICT_COUNT]; /* 0: no samples */
	__u64 test_clock_ns; /* the time, for programs loaded with filter_knobs.test_clock */
	__u64 reserved[4];
};

/* Map `state`, one, which programs on all CPUs write; tripped_ns is the loader's to clear. */
struct filter_state {
	__u64 window;  /* of the kill switch: boot time >> FILTER_WINDOW_SHIFT */
	__u64 packets; /* that count, in that window */
	__u64 malicious;
	__u64 tripped_ns; /* when the kill switch turned to shadow, CLOCK_BOOTTIME; 0: it has not */
	__u64 trips;
	__u64 samples_lost; /* found no room in the ring */
	__u64 sample_next_ns[FILTER_VERDICT_COUNT];
};

struct filter_sum {
	__u64 packets;
	__u64 bytes; /* of frames */
};

/* Map `counters`, of each CPU: a row for each of the two programs that may be at work while one
 * takes over from the other, and one for all that are gone. */
enum filter_slot { FILTER_SLOT_GONE, FILTER_SLOT_A, FILTER_SLOT_B, FILTER_SLOT_COUNT };

struct filter_counters {
	struct filter_sum verdict[FILTER_VERDICT_COUNT];
	struct filter_sum dropped; /* of verdict[FILTER_MALICIOUS] */
	__u64 reason[FILTER_REASON_COUNT];
	__u64 protocol[FILTER_PROTOCOL_COUNT][FILTER_VERDICT_COUNT];
	__u64 class[FILTER_CLASSES];
};

#define FILTER_SAMPLE_VERSION 1
#define FILTER_SAMPLE_FIELDS 64
#define FILTER_SAMPLE_OUTPUTS 8

/* Ring buffer `samples`: one packet, and why it was judged as it was. */
struct filter_sample {
	__u32 version;
	__u32 interface; /* index */
	__u64 at_ns;	 /* CLOCK_BOOTTIME */
	__u64 model;
	__u32 frame_length;
	__u32 class;   /* what the model said */
	__u8 verdict;  /* enum filter_verdict */
	__u8 reason;   /* enum filter_reason */
	__u8 dropped;  /* 0: passed */
	__u8 protocol; /* IP protocol number */
	__u8 tcp_flags;
	__u8 n_fields;	/* of fields; models may have more than are told */
	__u8 n_outputs; /* of outputs */
	__u8 reserved;
	__u16 source_port; /* host's byte order */
	__u16 destination_port;
	__u32 reserved2;
	__u8 source[16]; /* IPv4 as ::ffff:a.b.c.d; all zero where the packet is unknown */
	__u8 destination[16];
	__s32 outputs[FILTER_SAMPLE_OUTPUTS];
	__u32 fields[FILTER_SAMPLE_FIELDS]; /* in the order of the object's sheet */
};

_Static_assert(sizeof(struct filter_sample) ==
		       80 + 4 * (FILTER_SAMPLE_OUTPUTS + FILTER_SAMPLE_FIELDS),
	       "wire format");

/* Key of map `allow`, a longest-prefix-match trie. */
struct filter_prefix {
	__u32 length; /* bits; IPv4 prefixes are 96 longer */
	__u8 address[16];
};

/* Its values. IPv4 lies within IPv6 here, at ::ffff:0:0/96: ::/0 is not to hold it. */
enum filter_allows {
	FILTER_ALLOWS = 1,
	FILTER_ALLOWS_V6 = 2, /* a prefix shorter than that and around it: IPv6 alone */
};

#define FILTER_MAGIC 0x464d4b41 /* "AKMF" */
#define FILTER_FIELDS_MAX 128

/* Section .rodata.sheet: what the object was made for. */
struct filter_sheet {
	__u32 magic;
	__u32 layout;
	__u64 field_hash;
	__u32 n_outputs;
	__u32 n_fields;
	__u16 fields[FILTER_FIELDS_MAX]; /* enum packet_field */
};

/* Map `programs`, a row for each slot, which the loader alone writes and reads: by the program's id
 * in the link it knows which is at work, whatever moment an earlier loader was stopped at. */
struct filter_program {
	__u32 id; /* the kernel's; 0: none */
	__u32 reserved;
	__u64 model; /* identity */
	struct filter_sheet sheet;
};

/* Section .rodata.knobs: set by the loader before it loads the program, constant from then on. */
struct filter_knobs {
	__u64 model;	  /* identity, told with counters and samples */
	__u64 malicious;  /* bit i: class i is; classes from 64 on are benign */
	__u32 slot;	  /* enum filter_slot, A or B */
	__u32 test_clock; /* 1: the time is config.test_clock_ns */
};

#endif
