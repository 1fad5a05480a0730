/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_FILTER_PARSE_H
#define AIKM_BPF_FILTER_PARSE_H

/*
 * A frame's bytes to a struct filter_packet, or the reason why it is not understood. One source for
 * the BPF program and for its twin in user space: no helper, no map, no libc but memcpy.
 */

#include <linux/types.h>

#include "collectors/bpf/filter.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/*
 * The verifier wants pointer + n <= end in these words, and whole loads at their natural alignment
 * (the driver aligns the IP header); user space can count on neither.
 */
#ifdef __bpf__
#define FILTER_FITS(p, n, end) ((p) + (n) <= (end))
#define FILTER_LOAD(type, p) (*(const type *)(p))
#else
#define FILTER_FITS(p, n, end) ((end) - (p) >= (n))
#define FILTER_LOAD(type, p)                                                                       \
	({                                                                                         \
		type _v;                                                                           \
		__builtin_memcpy(&_v, (p), sizeof(_v));                                            \
		_v;                                                                                \
	})
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FILTER_BE16(x) __builtin_bswap16(x)
#define FILTER_V4_PREFIX 0xffff0000ULL /* ::ffff:0:0 in the lower half */
#define FILTER_V4_MASK 0xffffffffULL
#define FILTER_HALF(first, second) ((__u64)(second) << 32 | (first))
#else
#define FILTER_BE16(x) (x)
#define FILTER_V4_PREFIX 0x0000ffff00000000ULL
#define FILTER_V4_MASK 0xffffffff00000000ULL
#define FILTER_HALF(first, second) ((__u64)(first) << 32 | (second))
#endif

/* 16 bytes as on the wire; IPv4 as ::ffff:a.b.c.d. */
struct filter_address {
	__u64 upper;
	__u64 lower;
};

struct filter_packet {
	struct filter_address source;
	struct filter_address destination;
	__u32 ip_length;	       /* header and all behind it */
	__u32 ip_header_length;	       /* with options or extensions */
	__u32 transport_header_length; /* 0: a protocol unknown, or a later fragment */
	__u32 payload_length;
	__u16 source_port; /* host's byte order; 0 where there are none */
	__u16 destination_port;
	__u16 tcp_window;
	__u8 version; /* 4 or 6 */
	__u8 protocol;
	__u8 kind; /* enum filter_protocol */
	__u8 dont_fragment;
	__u8 fragment; /* any part of a fragmented packet */
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 reserved[2];
};

_Static_assert(sizeof(struct filter_packet) == 64, "no holes");

#define FILTER_ETHERNET 14
#define FILTER_EXTENSIONS_MAX 6
#define FILTER_IPV6_HEADER_MAX 2048 /* with extensions */

static __always_inline __u16 filter_be16(const __u8 *p)
{
	return FILTER_BE16(FILTER_LOAD(__u16, p));
}

/* 802.1Q, 802.1ad, and what was used before that */
static __always_inline int filter_is_vlan(__u16 type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static __always_inline enum filter_reason filter_parse_tcp(const __u8 *t, const __u8 *end,
							   __u32 rest, struct filter_packet *p)
{
	__u32 length;

	if (rest < 20 || !FILTER_FITS(t, 20, end))
		return FILTER_SHORT_TRANSPORT;
	length = (t[12] >> 4) * 4;
	if (length < 20 || length > rest)
		return FILTER_BAD_TRANSPORT_LENGTH;
	p->source_port = filter_be16(t);
	p->destination_port = filter_be16(t + 2);
	p->tcp_flags = t[13];
	p->tcp_window = filter_be16(t + 14);
	p->transport_header_length = length;
	p->kind = FILTER_TCP;
	return FILTER_KNOWN;
}

static __always_inline enum filter_reason filter_parse_udp(const __u8 *t, const __u8 *end,
							   __u32 rest, struct filter_packet *p)
{
	__u32 length;

	if (rest < 8 || !FILTER_FITS(t, 8, end))
		return FILTER_SHORT_TRANSPORT;
	/* In a fragment it is the length of the whole. */
	length = filter_be16(t + 4);
	if (length < 8 || (length > rest && !p->fragment))
		return FILTER_BAD_TRANSPORT_LENGTH;
	p->source_port = filter_be16(t);
	p->destination_port = filter_be16(t + 2);
	p->transport_header_length = 8;
	p->kind = FILTER_UDP;
	return FILTER_KNOWN;
}

static __always_inline enum filter_reason filter_parse_icmp(const __u8 *t, const __u8 *end,
							    __u32 rest, struct filter_packet *p)
{
	if (rest < 8 || !FILTER_FITS(t, 8, end))
		return FILTER_SHORT_TRANSPORT;
	p->icmp_type = t[0];
	p->icmp_code = t[1];
	p->transport_header_length = 8;
	p->kind = FILTER_ICMP;
	return FILTER_KNOWN;
}

/* t: behind the IP header; later: a fragment but the first, which has no transport header. */
static __always_inline enum filter_reason
filter_parse_transport(const __u8 *t, const __u8 *end, __u32 later, struct filter_packet *p)
{
	__u32 rest = p->ip_length - p->ip_header_length;
	enum filter_reason reason = FILTER_KNOWN;

	p->kind = FILTER_OTHER;
	if (!later) {
		if (p->protocol == 6)
			reason = filter_parse_tcp(t, end, rest, p);
		else if (p->protocol == 17)
			reason = filter_parse_udp(t, end, rest, p);
		else if (p->protocol == (p->version == 4 ? 1 : 58))
			reason = filter_parse_icmp(t, end, rest, p);
	}
	p->payload_length = rest - p->transport_header_length;
	return reason;
}

/* room: bytes from ip to the end of the frame, which may go on behind `end`. */
static __always_inline enum filter_reason filter_parse_ipv4(const __u8 *ip, const __u8 *end,
							    __u32 room, struct filter_packet *p)
{
	__u32 header, fragment;

	if (!FILTER_FITS(ip, 20, end))
		return FILTER_SHORT_FRAME;
	if (ip[0] >> 4 != 4)
		return FILTER_BAD_VERSION;
	header = (ip[0] & 15) * 4;
	if (header < 20)
		return FILTER_BAD_HEADER_LENGTH;
	p->ip_length = filter_be16(ip + 2);
	if (p->ip_length < header)
		return FILTER_BAD_LENGTH;
	if (p->ip_length > room)
		return FILTER_TRUNCATED;
	fragment = filter_be16(ip + 6);
	p->version = 4;
	p->protocol = ip[9];
	p->ip_header_length = header;
	p->dont_fragment = fragment >> 14 & 1;
	p->fragment = (fragment & 0x3fff) != 0; /* more to come, or an offset */
	p->source.lower = FILTER_HALF(0, FILTER_LOAD(__u32, ip + 12)) | FILTER_V4_PREFIX;
	p->destination.lower = FILTER_HALF(0, FILTER_LOAD(__u32, ip + 16)) | FILTER_V4_PREFIX;
	return filter_parse_transport(ip + header, end, fragment & 0x1fff, p);
}

/* On the wire it is nobody's address; here it would be that of an IPv4 host: its windows, and its
 * place on the allow-list. */
static __always_inline int filter_is_mapped(const struct filter_address *a)
{
	return a->upper == 0 && (a->lower & FILTER_V4_MASK) == FILTER_V4_PREFIX;
}

static __always_inline int filter_is_extension(__u32 next)
{
	/* hop-by-hop, routing, fragment, authentication, destination, mobility, HIP, Shim6 */
	return next == 0 || next == 43 || next == 44 || next == 51 || next == 60 || next == 135 ||
	       next == 139 || next == 140;
}

/* Walks the extension headers; sets protocol, header length and fragment. */
static __always_inline enum filter_reason
filter_parse_extensions(const __u8 *ip, const __u8 *end, struct filter_packet *p, __u32 *ret_later)
{
	__u32 next = ip[6], header = 40, later = 0;

	for (int i = 0; i < FILTER_EXTENSIONS_MAX && filter_is_extension(next) && !later; i++) {
		const __u8 *h = ip + header;
		__u32 units;

		if (header + 8 > p->ip_length || !FILTER_FITS(h, 8, end))
			return FILTER_EXTENSIONS;
		units = h[1];
		if (next == 44) {
			__u32 fragment = filter_be16(h + 2);

			p->fragment |= (fragment & 0xfff9) != 0;
			later = fragment >> 3;
			header += 8;
		} else {
			header += next == 51 ? (units + 2) * 4 : (units + 1) * 8;
		}
		if (header > FILTER_IPV6_HEADER_MAX || header > p->ip_length)
			return FILTER_EXTENSIONS;
		next = h[0];
	}
	if (filter_is_extension(next) && !later)
		return FILTER_EXTENSIONS;
	p->protocol = next;
	p->ip_header_length = header;
	*ret_later = later;
	return FILTER_KNOWN;
}

static __always_inline enum filter_reason filter_parse_ipv6(const __u8 *ip, const __u8 *end,
							    __u32 room, struct filter_packet *p)
{
	enum filter_reason reason;
	__u32 later = 0;

	if (!FILTER_FITS(ip, 40, end))
		return FILTER_SHORT_FRAME;
	if (ip[0] >> 4 != 6)
		return FILTER_BAD_VERSION;
	p->ip_length = 40 + (__u32)filter_be16(ip + 4);
	if (p->ip_length > room)
		return FILTER_TRUNCATED;
	p->version = 6;
	p->source.upper = FILTER_HALF(FILTER_LOAD(__u32, ip + 8), FILTER_LOAD(__u32, ip + 12));
	p->source.lower = FILTER_HALF(FILTER_LOAD(__u32, ip + 16), FILTER_LOAD(__u32, ip + 20));
	p->destination.upper =
		FILTER_HALF(FILTER_LOAD(__u32, ip + 24), FILTER_LOAD(__u32, ip + 28));
	p->destination.lower =
		FILTER_HALF(FILTER_LOAD(__u32, ip + 32), FILTER_LOAD(__u32, ip + 36));
	if (filter_is_mapped(&p->source) || filter_is_mapped(&p->destination))
		return FILTER_MAPPED;
	reason = filter_parse_extensions(ip, end, p, &later);
	if (reason != FILTER_KNOWN)
		return reason;
	return filter_parse_transport(ip + p->ip_header_length, end, later, p);
}

/*
 * data … end: the bytes at hand, from the Ethernet header on; frame_length: how many the frame has,
 * more where it goes on elsewhere. *p is all zero where the reason is not FILTER_KNOWN.
 */
static __always_inline enum filter_reason filter_parse(const __u8 *data, const __u8 *end,
						       __u32 frame_length, struct filter_packet *p)
{
	const struct filter_packet none = {};
	enum filter_reason reason;
	__u32 offset = FILTER_ETHERNET;
	__u16 type;

	*p = none;
	if (!FILTER_FITS(data, FILTER_ETHERNET, end))
		return FILTER_SHORT_FRAME;
	type = filter_be16(data + 12);
	for (int i = 0; i < 2 && filter_is_vlan(type); i++) {
		if (!FILTER_FITS(data + offset, 4, end))
			return FILTER_SHORT_FRAME;
		type = filter_be16(data + offset + 2);
		offset += 4;
	}
	if (type == 0x0800)
		reason = filter_parse_ipv4(data + offset, end, frame_length - offset, p);
	else if (type == 0x86dd)
		reason = filter_parse_ipv6(data + offset, end, frame_length - offset, p);
	else
		reason = filter_is_vlan(type) ? FILTER_VLAN_DEPTH : FILTER_NOT_IP;
	if (reason != FILTER_KNOWN)
		*p = none;
	return reason;
}

#endif
