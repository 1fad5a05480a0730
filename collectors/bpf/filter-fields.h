/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_FILTER_FIELDS_H
#define AIKM_BPF_FILTER_FIELDS_H

/*
 * The packet fields' values, from a packet and from what is remembered. One source for the BPF
 * program, where identifiers are constant and only what a model asks for is computed, and for its
 * twin in user space.
 */

#include "collectors/bpf/filter-track.h"
#include "models/packet-fields.h"

/* Scope of each field, as a constant: PACKET_SCOPE_OF_identifier. */
enum {
#define X(id, name, unit, scope, max, what) PACKET_SCOPE_OF_##id = PACKET_SCOPE_##scope,
	PACKET_FIELDS(X)
#undef X
};

static __always_inline __u32 filter_u32(__u64 x)
{
	return x < 0xffffffffU ? (__u32)x : 0xffffffffU;
}

/* One of 32 bytes that is not global would go to a section of its own, of which its BTF does not
 * know. */
#ifdef __bpf__
#define FILTER_TABLE const
#else
#define FILTER_TABLE static const
#endif

/* The place of the highest bit of a number whose lower bits are all set, by its product with
 * 0x07c4acdd (de Bruijn; S. E. Anderson, Bit Twiddling Hacks). */
FILTER_TABLE __u8 filter_places[32] = {0,  9,  1,  10, 13, 21, 2,  29, 11, 14, 16,
				       18, 22, 25, 3,  30, 8,  12, 20, 28, 15, 17,
				       24, 7,  19, 27, 23, 6,  26, 5,  4,  31};

/* 16 * log2(1 + x), cut: the place of the highest bit, and the four bits behind it. BPF can not
 * count zeros, and comparing would fork the verifier. */
static __always_inline __u32 filter_log2(__u32 x)
{
	__u32 v = x + (x != 0xffffffffU), n = v;
	__u32 place;

	n |= n >> 1;
	n |= n >> 2;
	n |= n >> 4;
	n |= n >> 8;
	n |= n >> 16;
	place = filter_places[n * 0x07c4acddU >> 27];
	return place << 4 | (__u32)((__u64)v << 4 >> place & 15);
}

static __always_inline __u32 filter_bits(__u64 x)
{
	x -= x >> 1 & 0x5555555555555555ULL;
	x = (x & 0x3333333333333333ULL) + (x >> 2 & 0x3333333333333333ULL);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (__u32)(x * 0x0101010101010101ULL >> 56);
}

/* The larger of two, at most 2^31 apart, without a branch. */
static __always_inline __u32 filter_more(__u32 a, __u32 b)
{
	__u64 less = ((__u64)a - b) >> 63;

	return a + (__u32)((b - a) & (0U - (__u32)less));
}

static __always_inline __u32 filter_share(__u64 part, __u64 all)
{
	return all ? (__u32)(part * 255 / all) : 0;
}

static __always_inline __u32 filter_mean(__u64 sum, __u64 n)
{
	return n ? (__u32)(sum / n) : 0;
}

static __always_inline __u32 filter_field_packet(enum packet_field id,
						 const struct filter_packet *p)
{
	__u32 low = p->source_port, high = p->destination_port;

	if (low > high) {
		low = p->destination_port;
		high = p->source_port;
	}
	switch (id) {
	case PACKET_FIELD_IP_LENGTH:
		return p->ip_length;
	case PACKET_FIELD_IP_HEADER_LENGTH:
		return p->ip_header_length;
	case PACKET_FIELD_TRANSPORT_HEADER_LENGTH:
		return p->transport_header_length;
	case PACKET_FIELD_PAYLOAD_LENGTH:
		return p->payload_length;
	case PACKET_FIELD_PAYLOAD_LENGTH_LOG2:
		return filter_log2(p->payload_length);
	case PACKET_FIELD_IS_IPV6:
		return p->version == 6;
	case PACKET_FIELD_PROTOCOL:
		return p->protocol;
	case PACKET_FIELD_IS_TCP:
		return p->protocol == 6;
	case PACKET_FIELD_IS_UDP:
		return p->protocol == 17;
	case PACKET_FIELD_IS_ICMP:
		return p->protocol == (p->version == 4 ? 1 : 58);
	case PACKET_FIELD_DONT_FRAGMENT:
		return p->dont_fragment;
	case PACKET_FIELD_FRAGMENT:
		return p->fragment;
	case PACKET_FIELD_SOURCE_PORT:
		return p->source_port;
	case PACKET_FIELD_DESTINATION_PORT:
		return p->destination_port;
	case PACKET_FIELD_LOW_PORT:
		return low;
	case PACKET_FIELD_HIGH_PORT:
		return high;
	case PACKET_FIELD_SOURCE_PORT_LOG2:
		return filter_log2(p->source_port);
	case PACKET_FIELD_DESTINATION_PORT_LOG2:
		return filter_log2(p->destination_port);
	case PACKET_FIELD_LOW_PORT_LOG2:
		return filter_log2(low);
	case PACKET_FIELD_TCP_FLAGS:
		return p->tcp_flags;
	case PACKET_FIELD_TCP_FIN:
		return p->tcp_flags & 1;
	case PACKET_FIELD_TCP_SYN:
		return p->tcp_flags >> 1 & 1;
	case PACKET_FIELD_TCP_RST:
		return p->tcp_flags >> 2 & 1;
	case PACKET_FIELD_TCP_PSH:
		return p->tcp_flags >> 3 & 1;
	case PACKET_FIELD_TCP_ACK:
		return p->tcp_flags >> 4 & 1;
	case PACKET_FIELD_TCP_URG:
		return p->tcp_flags >> 5 & 1;
	case PACKET_FIELD_TCP_WINDOW:
		return p->tcp_window;
	case PACKET_FIELD_TCP_WINDOW_LOG2:
		return filter_log2(p->tcp_window);
	case PACKET_FIELD_ICMP_TYPE:
		return p->icmp_type;
	case PACKET_FIELD_ICMP_CODE:
		return p->icmp_code;
	default:
		return 0;
	}
}

/* A window that ends now: what was counted since the present one began, and of the one before as
 * much as still lies within reach. 256 times as large, so that means and shares lose nothing. */
struct filter_window {
	__u64 packets;
	__u64 syns;
	__u64 syn_acks;
	__u64 resets;
	__u64 fins;
	__u64 udp;
	__u64 icmp;
	__u64 empty;
	__u64 bytes;
	__u64 payload;
	__u64 ports;
	__u64 peers;
	__u64 own_ports;
};

static __always_inline __u64 filter_slide(__u64 now, __u64 before, __u64 weight)
{
	return (now << 8) + before * weight;
}

/* The host's windows must have been rolled to now_ns. */
static __always_inline void filter_window(const struct filter_windows *w, int shift, __u64 now_ns,
					  struct filter_window *ret)
{
	/* 256 at the beginning of the present one, 1 at its end */
	__u64 weight = 256 - (now_ns >> (shift - 8) & 255);

	ret->packets = filter_slide(w->now.packets, w->before.packets, weight);
	ret->syns = filter_slide(w->now.syns, w->before.syns, weight);
	ret->syn_acks = filter_slide(w->now.syn_acks, w->before.syn_acks, weight);
	ret->resets = filter_slide(w->now.resets, w->before.resets, weight);
	ret->fins = filter_slide(w->now.fins, w->before.fins, weight);
	ret->udp = filter_slide(w->now.udp, w->before.udp, weight);
	ret->icmp = filter_slide(w->now.icmp, w->before.icmp, weight);
	ret->empty = filter_slide(w->now.empty, w->before.empty, weight);
	ret->bytes = filter_slide(w->now.bytes, w->before.bytes, weight);
	ret->payload = filter_slide(w->now.payload, w->before.payload, weight);
	ret->ports = w->now.ports | w->before.ports;
	ret->peers = w->now.peers | w->before.peers;
	ret->own_ports = w->now.own_ports | w->before.own_ports;
}

/* What fields of the scopes source and destination are made of. */
struct filter_host_view {
	struct filter_window fast;
	struct filter_window slow;
	__u32 gap;
	__u32 gap_mean;
};

static __always_inline void filter_host_view(const struct filter_host *h, __u64 now_ns,
					     struct filter_host_view *ret)
{
	filter_window(&h->fast, FILTER_WINDOW_SHIFT, now_ns, &ret->fast);
	filter_window(&h->slow, FILTER_SLOW_SHIFT, now_ns, &ret->slow);
	ret->gap = h->gap;
	ret->gap_mean = (__u32)(h->gap_mean8 >> 3);
}

static __always_inline __u32 filter_field_source(enum packet_field id,
						 const struct filter_host_view *v)
{
	switch (id) {
	case PACKET_FIELD_SOURCE_PACKETS:
		return filter_u32(v->fast.packets >> 8);
	case PACKET_FIELD_SOURCE_PACKETS_LOG2:
		return filter_log2(filter_u32(v->fast.packets >> 8));
	case PACKET_FIELD_SOURCE_BYTES:
		return filter_u32(v->fast.bytes >> 8);
	case PACKET_FIELD_SOURCE_BYTES_LOG2:
		return filter_log2(filter_u32(v->fast.bytes >> 8));
	case PACKET_FIELD_SOURCE_PAYLOAD_MEAN:
		return filter_mean(v->fast.payload, v->fast.packets);
	case PACKET_FIELD_SOURCE_SYNS:
		return filter_u32(v->fast.syns >> 8);
	case PACKET_FIELD_SOURCE_SYNS_LOG2:
		return filter_log2(filter_u32(v->fast.syns >> 8));
	case PACKET_FIELD_SOURCE_SYN_ACKS:
		return filter_u32(v->fast.syn_acks >> 8);
	case PACKET_FIELD_SOURCE_RESETS:
		return filter_u32(v->fast.resets >> 8);
	case PACKET_FIELD_SOURCE_FINS:
		return filter_u32(v->fast.fins >> 8);
	case PACKET_FIELD_SOURCE_UDP:
		return filter_u32(v->fast.udp >> 8);
	case PACKET_FIELD_SOURCE_ICMP:
		return filter_u32(v->fast.icmp >> 8);
	case PACKET_FIELD_SOURCE_SYN_SHARE:
		return filter_share(v->fast.syns, v->fast.packets);
	case PACKET_FIELD_SOURCE_RESET_SHARE:
		return filter_share(v->fast.resets, v->fast.packets);
	case PACKET_FIELD_SOURCE_EMPTY_SHARE:
		return filter_share(v->fast.empty, v->fast.packets);
	case PACKET_FIELD_SOURCE_PORTS:
		return filter_bits(v->fast.ports);
	case PACKET_FIELD_SOURCE_PEERS:
		return filter_bits(v->fast.peers);
	case PACKET_FIELD_SOURCE_OWN_PORTS:
		return filter_bits(v->fast.own_ports);
	case PACKET_FIELD_SOURCE_GAP:
		return v->gap;
	case PACKET_FIELD_SOURCE_GAP_LOG2:
		return filter_log2(v->gap);
	case PACKET_FIELD_SOURCE_GAP_MEAN:
		return v->gap_mean;
	case PACKET_FIELD_SOURCE_GAP_MEAN_LOG2:
		return filter_log2(v->gap_mean);
	case PACKET_FIELD_SOURCE_PACKETS_SLOW_LOG2:
		return filter_log2(filter_u32(v->slow.packets >> 8));
	case PACKET_FIELD_SOURCE_PAYLOAD_MEAN_SLOW:
		return filter_mean(v->slow.payload, v->slow.packets);
	case PACKET_FIELD_SOURCE_SYNS_SLOW_LOG2:
		return filter_log2(filter_u32(v->slow.syns >> 8));
	case PACKET_FIELD_SOURCE_SYN_SHARE_SLOW:
		return filter_share(v->slow.syns, v->slow.packets);
	case PACKET_FIELD_SOURCE_RESET_SHARE_SLOW:
		return filter_share(v->slow.resets, v->slow.packets);
	case PACKET_FIELD_SOURCE_EMPTY_SHARE_SLOW:
		return filter_share(v->slow.empty, v->slow.packets);
	case PACKET_FIELD_SOURCE_PORTS_SLOW:
		return filter_bits(v->slow.ports);
	case PACKET_FIELD_SOURCE_PEERS_SLOW:
		return filter_bits(v->slow.peers);
	case PACKET_FIELD_SOURCE_OWN_PORTS_SLOW:
		return filter_bits(v->slow.own_ports);
	case PACKET_FIELD_SOURCE_SPREAD:
		return filter_more(filter_bits(v->fast.ports), filter_bits(v->fast.peers));
	case PACKET_FIELD_SOURCE_SPREAD_SLOW:
		return filter_more(filter_bits(v->slow.ports), filter_bits(v->slow.peers));
	default:
		return 0;
	}
}

static __always_inline __u32 filter_field_destination(enum packet_field id,
						      const struct filter_host_view *v)
{
	switch (id) {
	case PACKET_FIELD_DESTINATION_PACKETS:
		return filter_u32(v->fast.packets >> 8);
	case PACKET_FIELD_DESTINATION_PACKETS_LOG2:
		return filter_log2(filter_u32(v->fast.packets >> 8));
	case PACKET_FIELD_DESTINATION_BYTES_LOG2:
		return filter_log2(filter_u32(v->fast.bytes >> 8));
	case PACKET_FIELD_DESTINATION_PAYLOAD_MEAN:
		return filter_mean(v->fast.payload, v->fast.packets);
	case PACKET_FIELD_DESTINATION_SYNS:
		return filter_u32(v->fast.syns >> 8);
	case PACKET_FIELD_DESTINATION_SYNS_LOG2:
		return filter_log2(filter_u32(v->fast.syns >> 8));
	case PACKET_FIELD_DESTINATION_SYN_SHARE:
		return filter_share(v->fast.syns, v->fast.packets);
	case PACKET_FIELD_DESTINATION_EMPTY_SHARE:
		return filter_share(v->fast.empty, v->fast.packets);
	case PACKET_FIELD_DESTINATION_PORTS:
		return filter_bits(v->fast.ports);
	case PACKET_FIELD_DESTINATION_PEERS:
		return filter_bits(v->fast.peers);
	case PACKET_FIELD_DESTINATION_PACKETS_SLOW_LOG2:
		return filter_log2(filter_u32(v->slow.packets >> 8));
	case PACKET_FIELD_DESTINATION_SYN_SHARE_SLOW:
		return filter_share(v->slow.syns, v->slow.packets);
	case PACKET_FIELD_DESTINATION_PORTS_SLOW:
		return filter_bits(v->slow.ports);
	case PACKET_FIELD_DESTINATION_PEERS_SLOW:
		return filter_bits(v->slow.peers);
	default:
		return 0;
	}
}

static __always_inline __u32 filter_field_flow(enum packet_field id, const struct filter_flow *f,
					       __u32 way)
{
	const struct filter_way *w = &f->way[way & 1], *back = &f->way[~way & 1];

	switch (id) {
	case PACKET_FIELD_FLOW_PACKETS:
		return w->packets;
	case PACKET_FIELD_FLOW_PACKETS_LOG2:
		return filter_log2(w->packets);
	case PACKET_FIELD_FLOW_BYTES:
		return filter_u32(w->bytes);
	case PACKET_FIELD_FLOW_BYTES_LOG2:
		return filter_log2(filter_u32(w->bytes));
	case PACKET_FIELD_FLOW_PAYLOAD_MEAN:
		return filter_mean(w->payload, w->packets);
	case PACKET_FIELD_FLOW_DURATION:
		return filter_ticks(f->first_ns, f->last_ns);
	case PACKET_FIELD_FLOW_DURATION_LOG2:
		return filter_log2(filter_ticks(f->first_ns, f->last_ns));
	case PACKET_FIELD_FLOW_GAP:
		return f->gap;
	case PACKET_FIELD_FLOW_GAP_LOG2:
		return filter_log2(f->gap);
	case PACKET_FIELD_FLOW_GAP_MEAN:
		return (__u32)(f->gap_mean8 >> 3);
	case PACKET_FIELD_FLOW_GAP_MEAN_LOG2:
		return filter_log2((__u32)(f->gap_mean8 >> 3));
	case PACKET_FIELD_FLOW_FLAGS:
		return w->flags;
	case PACKET_FIELD_FLOW_SYNS:
		return w->syns;
	case PACKET_FIELD_FLOW_IS_REPLY:
		return (f->first_way ^ way) & 1;
	case PACKET_FIELD_FLOW_PACKETS_BACK:
		return back->packets;
	case PACKET_FIELD_FLOW_PACKETS_BACK_LOG2:
		return filter_log2(back->packets);
	case PACKET_FIELD_FLOW_BYTES_BACK_LOG2:
		return filter_log2(filter_u32(back->bytes));
	case PACKET_FIELD_FLOW_FLAGS_BACK:
		return back->flags;
	default:
		return 0;
	}
}

#endif
