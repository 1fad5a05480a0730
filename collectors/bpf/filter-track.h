/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_FILTER_TRACK_H
#define AIKM_BPF_FILTER_TRACK_H

/*
 * What is remembered of addresses and flows, and how a packet changes it. One source for the BPF
 * program, whose maps hold these values, and for its twin in user space. Times are nanoseconds
 * since boot; a clock that steps back (two CPUs) counts as one that stands still.
 */

#include "collectors/bpf/filter-parse.h"

#define FILTER_WINDOW_SHIFT 30	 /* 1.07 s */
#define FILTER_SLOW_SHIFT 34	 /* 17.2 s */
#define FILTER_FLOW_SHIFT 36	 /* 68.7 s of silence end a flow */
#define FILTER_NEVER 0xffffffffU /* a gap before the first packet */

/* Of one window. */
struct filter_counts {
	__u32 packets;
	__u32 syns; /* without ACK */
	__u32 syn_acks;
	__u32 resets;
	__u32 fins;
	__u32 udp;
	__u32 icmp;
	__u32 empty; /* without payload */
	__u64 bytes; /* from the IP header on */
	__u64 payload;
	__u64 ports;	 /* bit by hash of each destination port */
	__u64 peers;	 /* of each address at the other side */
	__u64 own_ports; /* of each source port */
};

struct filter_windows {
	__u64 index; /* of `now`: time >> shift */
	struct filter_counts now;
	struct filter_counts before;
};

/* Of an address: what it sent (map `sources`) or what it was sent (`destinations`). */
struct filter_host {
	__u32 lock;  /* the program's: bpf_spin_lock can not be in an LRU map */
	__u32 class; /* sources: of the last packet judged */
	__u64 first_ns;
	__u64 last_ns;
	__u64 packets;
	__u64 bytes;
	__u64 malicious; /* sources: of packets; changed without the lock */
	__u64 dropped;
	__u32 gap;	 /* 1024 ns */
	__u32 meter;	 /* sources: for the kill switch; changed without the lock */
	__u64 gap_mean8; /* eight times the mean */
	struct filter_windows fast;
	struct filter_windows slow;
};

/* Both ways are one flow: the smaller end comes first. */
struct filter_flow_key {
	struct filter_address low;
	struct filter_address high;
	__u16 low_port;
	__u16 high_port;
	__u8 protocol;
	__u8 reserved[3];
};

struct filter_way {
	__u32 packets;
	__u32 syns;
	__u64 bytes;
	__u64 payload;
	__u32 flags; /* all tcp_flags seen */
	__u32 reserved;
};

struct filter_flow {
	__u32 lock;
	__u32 first_way; /* of the first packet */
	__u64 first_ns;
	__u64 last_ns;
	__u32 gap;
	__u32 reserved;
	__u64 gap_mean8;
	struct filter_way way[2]; /* 0: from low to high */
};

_Static_assert(sizeof(struct filter_counts) == 72, "no holes");
_Static_assert(sizeof(struct filter_host) == 72 + 2 * (8 + 2 * 72), "no holes");
_Static_assert(sizeof(struct filter_flow_key) == 40, "no holes");
_Static_assert(sizeof(struct filter_flow) == 40 + 2 * 32, "no holes");

static __always_inline __u64 filter_bit(__u32 value)
{
	return 1ULL << (value * 0x9e3779b1U >> 26);
}

static __always_inline __u32 filter_fold(const struct filter_address *a)
{
	__u64 x = a->upper * 0x9e3779b97f4a7c15ULL ^ a->lower;

	return (__u32)x ^ (__u32)(x >> 32);
}

/* In units of 1024 ns, at most FILTER_NEVER - 1. */
static __always_inline __u32 filter_ticks(__u64 from_ns, __u64 to_ns)
{
	__u64 ticks = to_ns > from_ns ? (to_ns - from_ns) >> 10 : 0;

	return ticks < FILTER_NEVER ? (__u32)ticks : FILTER_NEVER - 1;
}

/* mean8: eight times the mean so far; FILTER_NEVER * 8: there is none yet. */
static __always_inline __u64 filter_mean8(__u64 mean8, __u32 gap)
{
	if (mean8 == FILTER_NEVER * 8ULL)
		return gap * 8ULL;
	return mean8 - (mean8 >> 3) + gap;
}

static __always_inline void filter_roll(struct filter_windows *w, __u64 index)
{
	const struct filter_counts none = {};

	if (index <= w->index)
		return;
	if (index == w->index + 1)
		w->before = w->now;
	else
		w->before = none;
	w->now = none;
	w->index = index;
}

/* What one packet adds, worked out once for both windows. */
struct filter_step {
	__u32 syn;
	__u32 syn_ack;
	__u32 reset;
	__u32 fin;
	__u32 udp;
	__u32 icmp;
	__u32 empty;
	__u32 bytes;
	__u32 payload;
	__u64 ports;
	__u64 peers;
	__u64 own_ports;
};

/* Without branches: each would double what the verifier has to look at. */
static __always_inline void filter_step(const struct filter_packet *p,
					const struct filter_address *peer, struct filter_step *ret)
{
	__u32 flags = p->tcp_flags;

	ret->syn = flags >> 1 & ~(flags >> 4) & 1;
	ret->syn_ack = flags >> 1 & flags >> 4 & 1;
	ret->reset = flags >> 2 & 1;
	ret->fin = flags & 1;
	ret->udp = (1U << FILTER_UDP) >> (p->kind & 3) & 1;
	ret->icmp = (1U << FILTER_ICMP) >> (p->kind & 3) & 1;
	ret->empty = (__u32)(((__u64)p->payload_length - 1) >> 63);
	ret->bytes = p->ip_length;
	ret->payload = p->payload_length;
	ret->ports = filter_bit(p->destination_port);
	ret->peers = filter_bit(filter_fold(peer));
	ret->own_ports = filter_bit(p->source_port);
}

static __always_inline void filter_count(struct filter_counts *c, const struct filter_step *s)
{
	c->packets++;
	c->syns += s->syn;
	c->syn_acks += s->syn_ack;
	c->resets += s->reset;
	c->fins += s->fin;
	c->udp += s->udp;
	c->icmp += s->icmp;
	c->empty += s->empty;
	c->bytes += s->bytes;
	c->payload += s->payload;
	c->ports |= s->ports;
	c->peers |= s->peers;
	c->own_ports |= s->own_ports;
}

/* A host that is all zero but for its lock is new. */
static __always_inline void filter_host_update(struct filter_host *h, const struct filter_step *s,
					       __u64 now_ns)
{
	if (h->packets == 0) {
		h->first_ns = h->last_ns = now_ns;
		h->gap = FILTER_NEVER;
		h->gap_mean8 = FILTER_NEVER * 8ULL;
	} else {
		h->gap = filter_ticks(h->last_ns, now_ns);
		h->gap_mean8 = filter_mean8(h->gap_mean8, h->gap);
		if (now_ns > h->last_ns)
			h->last_ns = now_ns;
	}
	h->packets++;
	h->bytes += s->bytes;
	filter_roll(&h->fast, now_ns >> FILTER_WINDOW_SHIFT);
	filter_count(&h->fast.now, s);
	filter_roll(&h->slow, now_ns >> FILTER_SLOW_SHIFT);
	filter_count(&h->slow.now, s);
}

/* Returns the way of this packet: 0 where its source is the low end. */
static __always_inline __u32 filter_flow_key(const struct filter_packet *p,
					     struct filter_flow_key *ret)
{
	const struct filter_address *s = &p->source, *d = &p->destination;
	__u32 way;

	if (s->upper != d->upper)
		way = s->upper > d->upper;
	else if (s->lower != d->lower)
		way = s->lower > d->lower;
	else
		way = p->source_port > p->destination_port;
	if (way) {
		ret->low = *d;
		ret->high = *s;
		ret->low_port = p->destination_port;
		ret->high_port = p->source_port;
	} else {
		ret->low = *s;
		ret->high = *d;
		ret->low_port = p->source_port;
		ret->high_port = p->destination_port;
	}
	ret->protocol = p->protocol;
	ret->reserved[0] = ret->reserved[1] = ret->reserved[2] = 0;
	return way;
}

/* A flow that is all zero but for its lock is new, and so is one that was silent for too long. */
static __always_inline void filter_flow_update(struct filter_flow *f, const struct filter_packet *p,
					       __u32 way, __u64 now_ns)
{
	const struct filter_way none = {};
	struct filter_way *w = &f->way[way & 1];

	if ((f->way[0].packets | f->way[1].packets) == 0 ||
	    (now_ns > f->last_ns && (now_ns - f->last_ns) >> FILTER_FLOW_SHIFT)) {
		f->way[0] = f->way[1] = none;
		f->first_way = way;
		f->first_ns = f->last_ns = now_ns;
		f->gap = FILTER_NEVER;
		f->gap_mean8 = FILTER_NEVER * 8ULL;
	} else {
		f->gap = filter_ticks(f->last_ns, now_ns);
		f->gap_mean8 = filter_mean8(f->gap_mean8, f->gap);
		if (now_ns > f->last_ns)
			f->last_ns = now_ns;
	}
	/* A flow may be older than 2^32 packets, but not young again. */
	w->packets += w->packets != 0xffffffffU;
	w->syns += p->tcp_flags >> 1 & (w->syns != 0xffffffffU);
	w->bytes += p->ip_length;
	w->payload += p->payload_length;
	w->flags |= p->tcp_flags;
}

#endif
