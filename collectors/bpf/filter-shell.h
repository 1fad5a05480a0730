/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AIKM_BPF_FILTER_SHELL_H
#define AIKM_BPF_FILTER_SHELL_H

/* clang-format off */
/*
 * The traffic filter around a model: parse, allow-list, track, model, verdict. A generated file is
 * such a program whole:
 *
 *   #define FILTER_FIELDS(X) X(TCP_SYN) X(SOURCE_SYNS) …
 *           identifiers of models/packet-fields.h, in the order of the model's inputs
 *   #define FILTER_OUTPUTS 2
 *           how many outputs FILTER_RUN stores
 *   #define FILTER_SCRATCH struct NAME_scratch
 *           what it needs besides the stack
 *   #define FILTER_RUN NAME_run
 *           long (const __u32 *raw, FILTER_SCRATCH *, __s32 *outputs): the class
 *   #include "collectors/bpf/filter-shell.h"
 *
 * with linux/bpf.h, bpf/bpf_helpers.h and the model's own text before it. It makes the XDP program
 * filter_xdp, or with FILTER_TC defined the tc classifier filter_tc, or with FILTER_BARE neither,
 * for a program that calls filter_frame() itself. Compile for -mcpu=v3: the locks are atomic
 * exchanges. Kernel 5.18 or later (frames in several buffers).
 *
 * Whatever goes wrong, the packet passes. In shadow, which is how it starts, all pass.
 */
/* clang-format on */

#include "collectors/bpf/filter-fields.h"
#include "collectors/bpf/filter-scratch.h"

char LICENSE[] SEC("license") = "GPL";

#define FILTER_LOCK_TRIES 64
#define FILTER_VIEW_ON_STACK 24 /* fields of a source: of 28 on, clang 19 has no room */
#define FILTER_METER_BATCH 16	/* what a CPU has for the kill switch is summed up at once */

enum {
#define X(id) || PACKET_SCOPE_OF_##id == PACKET_SCOPE_DESTINATION
	FILTER_USES_DESTINATIONS = 0 FILTER_FIELDS(X),
#undef X
#define X(id) || PACKET_SCOPE_OF_##id == PACKET_SCOPE_FLOW
	FILTER_USES_FLOWS = 0 FILTER_FIELDS(X),
#undef X
#define X(id) +(PACKET_SCOPE_OF_##id == PACKET_SCOPE_SOURCE)
	FILTER_SOURCE_FIELDS = 0 FILTER_FIELDS(X),
#undef X
};

const volatile struct filter_sheet filter_sheet SEC(".rodata.sheet") = {
	.magic = FILTER_MAGIC,
	.layout = FILTER_LAYOUT,
	.field_hash = PACKET_FIELDS_HASH,
	.n_outputs = FILTER_OUTPUTS,
	.n_fields = FILTER_FIELD_COUNT,
	.fields =
		{
#define X(id) PACKET_FIELD_##id,
			FILTER_FIELDS(X)
#undef X
		},
};

const volatile struct filter_knobs filter_knobs SEC(".rodata.knobs") = {
	.malicious = ~1ULL,
	.slot = FILTER_SLOT_A,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct filter_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct filter_state);
} state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FILTER_SLOT_COUNT);
	__type(key, __u32);
	__type(value, struct filter_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FILTER_SLOT_COUNT);
	__type(key, __u32);
	__type(value, struct filter_program);
} programs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct filter_prefix);
	__type(value, __u32);
} allow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct filter_address);
	__type(value, struct filter_host);
} sources SEC(".maps"), destinations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct filter_flow_key);
	__type(value, struct filter_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct filter_scratch);
} scratch SEC(".maps");

/* Holders are softirqs on other CPUs, some tens of ns each. Whoever waited for longer goes on
 * without it: a count may then be lost, a packet never. Returns whether it holds it. */
static __always_inline int filter_lock(__u32 *lock)
{
	for (int i = 0; i < FILTER_LOCK_TRIES; i++)
		if (__sync_val_compare_and_swap(lock, 0, 1) == 0)
			return 1;
	return 0;
}

static __always_inline void filter_unlock(__u32 *lock, int held)
{
	if (held)
		__sync_lock_test_and_set(lock, 0);
}

/* The value of a key, new and zero where there was none; NULL: no room. */
static __always_inline void *filter_find(void *map, const void *key, const void *none)
{
	void *value = bpf_map_lookup_elem(map, key);

	if (value)
		return value;
	bpf_map_update_elem(map, key, none, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

/* Zero in .rodata: a value of 400 bytes is too much for the stack. */
const volatile struct filter_host filter_no_host = {};
const volatile struct filter_flow filter_no_flow = {};

/* Each of these and the model has a stack of its own, below that of the program alone: 512 bytes
 * are shared by all that are called at a time. */
static __noinline struct filter_host *filter_track_source(struct filter_scratch *s)
{
	struct filter_host *h =
		filter_find(&sources, &s->packet.source, (const void *)&filter_no_host);
	/* Of few fields, what is not asked for is not worked out; of many, it all does not fit the
	 * stack. */
	struct filter_host_view few,
		*view = FILTER_SOURCE_FIELDS <= FILTER_VIEW_ON_STACK ? &few : &s->view;
	struct filter_step step;
	int held;

	if (!h)
		return NULL;
	filter_step(&s->packet, &s->packet.destination, &step);
	held = filter_lock(&h->lock);
	filter_host_update(h, &step, s->now_ns);
	filter_host_view(h, s->now_ns, view);
	filter_unlock(&h->lock, held);
#define X(id)                                                                                      \
	if (PACKET_SCOPE_OF_##id == PACKET_SCOPE_SOURCE)                                           \
		s->raw[FILTER_INDEX_##id] = filter_field_source(PACKET_FIELD_##id, view);
	FILTER_FIELDS(X)
#undef X
	return h;
}

static __noinline int filter_track_destination(struct filter_scratch *s)
{
	struct filter_host *h =
		filter_find(&destinations, &s->packet.destination, (const void *)&filter_no_host);
	struct filter_host_view view;
	struct filter_step step;
	int held;

	if (!h)
		return -1;
	filter_step(&s->packet, &s->packet.source, &step);
	held = filter_lock(&h->lock);
	filter_host_update(h, &step, s->now_ns);
	filter_host_view(h, s->now_ns, &view);
	filter_unlock(&h->lock, held);
#define X(id)                                                                                      \
	if (PACKET_SCOPE_OF_##id == PACKET_SCOPE_DESTINATION)                                      \
		s->raw[FILTER_INDEX_##id] = filter_field_destination(PACKET_FIELD_##id, &view);
	FILTER_FIELDS(X)
#undef X
	return 0;
}

static __noinline int filter_track_flow(struct filter_scratch *s)
{
	__u32 way = filter_flow_key(&s->packet, &s->flow_key);
	struct filter_flow *f = filter_find(&flows, &s->flow_key, (const void *)&filter_no_flow);
	int held;

	if (!f)
		return -1;
	held = filter_lock(&f->lock);
	filter_flow_update(f, &s->packet, way, s->now_ns);
#define X(id)                                                                                      \
	if (PACKET_SCOPE_OF_##id == PACKET_SCOPE_FLOW)                                             \
		s->raw[FILTER_INDEX_##id] = filter_field_flow(PACKET_FIELD_##id, f, way);
	FILTER_FIELDS(X)
#undef X
	filter_unlock(&f->lock, held);
	return 0;
}

static __noinline long filter_run(struct filter_scratch *s)
{
	return FILTER_RUN(s->raw, &s->model, s->outputs);
}

static __always_inline int filter_is_allowed(struct filter_scratch *s)
{
	const __u32 *allows;

	s->prefix.length = 128;
	__builtin_memcpy(s->prefix.address, &s->packet.source, sizeof(s->prefix.address));
	allows = bpf_map_lookup_elem(&allow, &s->prefix);
	return allows && (*allows != FILTER_ALLOWS_V6 || s->packet.version == 6);
}

/* Counts the packet where it belongs and asks the model. Returns what is known of its source. */
static __always_inline struct filter_host *filter_judge(struct filter_scratch *s)
{
	struct filter_host *source;
	long class;

	if (filter_is_allowed(s)) {
		s->verdict = FILTER_ALLOWED;
		return NULL;
	}
	source = filter_track_source(s);
	if (!source || (FILTER_USES_DESTINATIONS && filter_track_destination(s) < 0) ||
	    (FILTER_USES_FLOWS && filter_track_flow(s) < 0)) {
		s->reason = FILTER_NO_STATE;
		return NULL;
	}
#define X(id)                                                                                      \
	if (PACKET_SCOPE_OF_##id == PACKET_SCOPE_PACKET)                                           \
		s->raw[FILTER_INDEX_##id] = filter_field_packet(PACKET_FIELD_##id, &s->packet);
	FILTER_FIELDS(X)
#undef X
	class = filter_run(s);
	s->class = (__u32) class;
	s->verdict = class >= 0 && class < 64 && filter_knobs.malicious >> (class & 63) & 1
			     ? FILTER_MALICIOUS
			     : FILTER_BENIGN;
	return source;
}

/* Whether a malicious packet is among those of its source that count in this window: the meter has
 * the window in its upper bits and how many there were in the lowest eight. */
static __always_inline __u32 filter_counts_as_malicious(struct filter_host *source, __u64 window)
{
	__u32 meter = source->meter, fresh = (__u32)window << 8;

	if ((meter & ~0xffU) != fresh)
		meter = fresh;
	if ((meter & 0xff) >= FILTER_METER_OF_SOURCE)
		return 0;
	source->meter = meter + 1;
	return 1;
}

/* More than the agreed share would be dropped: something is wrong, with the model or with what it
 * was given. The source's fast window is the same as this one. */
static __always_inline void filter_meter(struct filter_scratch *s, struct filter_host *source,
					 const struct filter_config *c, struct filter_state *st)
{
	__u64 index = s->now_ns >> FILTER_WINDOW_SHIFT, window, packets, malicious;

	if (c->kill_permille >= 1000)
		return;
	s->meter_packets += source->fast.now.packets <= FILTER_METER_OF_SOURCE;
	if (s->verdict == FILTER_MALICIOUS)
		s->meter_malicious += filter_counts_as_malicious(source, index);
	if (s->meter_packets + s->meter_malicious < FILTER_METER_BATCH)
		return;
	window = st->window;
	if (index > window && __sync_val_compare_and_swap(&st->window, window, index) == window) {
		__sync_lock_test_and_set(&st->packets, 0);
		__sync_lock_test_and_set(&st->malicious, 0);
	}
	packets = __sync_fetch_and_add(&st->packets, s->meter_packets) + s->meter_packets;
	malicious = __sync_fetch_and_add(&st->malicious, s->meter_malicious) + s->meter_malicious;
	s->meter_packets = s->meter_malicious = 0;
	if (packets < c->kill_packets_min || malicious * 1000 <= packets * c->kill_permille)
		return;
	if (c->enforce_until_ns > s->now_ns &&
	    __sync_val_compare_and_swap(&st->tripped_ns, 0, s->now_ns) == 0)
		__sync_fetch_and_add(&st->trips, 1);
}

static __noinline int filter_tell(struct filter_scratch *s, struct filter_state *st)
{
	struct filter_sample *e = bpf_ringbuf_reserve(&samples, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&st->samples_lost, 1);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->version = FILTER_SAMPLE_VERSION;
	e->interface = s->interface;
	e->at_ns = s->now_ns;
	e->model = filter_knobs.model;
	e->frame_length = s->frame_length;
	e->verdict = (__u8)s->verdict;
	e->reason = (__u8)s->reason;
	e->dropped = (__u8)s->dropped;
	e->protocol = s->packet.protocol;
	e->tcp_flags = s->packet.tcp_flags;
	e->source_port = s->packet.source_port;
	e->destination_port = s->packet.destination_port;
	__builtin_memcpy(e->source, &s->packet.source, sizeof(e->source));
	__builtin_memcpy(e->destination, &s->packet.destination, sizeof(e->destination));
	if (s->verdict == FILTER_BENIGN || s->verdict == FILTER_MALICIOUS) {
		e->class = s->class;
		e->n_fields = FILTER_FIELD_COUNT < FILTER_SAMPLE_FIELDS ? FILTER_FIELD_COUNT
									: FILTER_SAMPLE_FIELDS;
		e->n_outputs = FILTER_OUTPUTS < FILTER_SAMPLE_OUTPUTS ? FILTER_OUTPUTS
								      : FILTER_SAMPLE_OUTPUTS;
		for (int i = 0; i < FILTER_FIELD_COUNT && i < FILTER_SAMPLE_FIELDS; i++)
			e->fields[i] = s->raw[i];
		for (int i = 0; i < FILTER_OUTPUTS && i < FILTER_SAMPLE_OUTPUTS; i++)
			e->outputs[i] = s->outputs[i];
	}
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline void filter_sample(struct filter_scratch *s, const struct filter_config *c,
					  struct filter_state *st)
{
	__u32 v = s->verdict & (FILTER_VERDICT_COUNT - 1);
	__u64 interval = c->sample_interval_ns[v], next = st->sample_next_ns[v];

	if (interval == 0 || s->now_ns < next)
		return;
	/* One CPU of those that come at once. */
	if (__sync_val_compare_and_swap(&st->sample_next_ns[v], next, s->now_ns + interval) == next)
		filter_tell(s, st);
}

static __always_inline void filter_add(struct filter_sum *sum, __u32 bytes)
{
	sum->packets++;
	sum->bytes += bytes;
}

static __always_inline void filter_book(const struct filter_scratch *s)
{
	__u32 slot = filter_knobs.slot;
	struct filter_counters *c = bpf_map_lookup_elem(&counters, &slot);
	__u32 v = s->verdict & (FILTER_VERDICT_COUNT - 1);

	if (!c)
		return;
	filter_add(&c->verdict[v], s->frame_length);
	if (s->dropped)
		filter_add(&c->dropped, s->frame_length);
	if (s->reason < FILTER_REASON_COUNT)
		c->reason[s->reason]++;
	if (s->reason == FILTER_KNOWN)
		c->protocol[s->packet.kind & (FILTER_PROTOCOL_COUNT - 1)][v]++;
	if (v >= FILTER_BENIGN)
		c->class[s->class < FILTER_CLASSES ? s->class : FILTER_CLASSES - 1]++;
}

_Static_assert((FILTER_VERDICT_COUNT & (FILTER_VERDICT_COUNT - 1)) == 0, "used as a mask");
_Static_assert((FILTER_PROTOCOL_COUNT & (FILTER_PROTOCOL_COUNT - 1)) == 0, "used as a mask");

/* Returns whether to drop the frame. */
static __always_inline int filter_frame(const __u8 *data, const __u8 *end, __u32 length,
					__u32 interface)
{
	__u32 zero = 0;
	struct filter_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	const struct filter_config *c = bpf_map_lookup_elem(&config, &zero);
	struct filter_state *st = bpf_map_lookup_elem(&state, &zero);
	struct filter_host *source = NULL;

	if (!s || !c || !st)
		return 0;
	s->now_ns = filter_knobs.test_clock ? c->test_clock_ns : bpf_ktime_get_boot_ns();
	s->frame_length = length;
	s->interface = interface;
	s->verdict = FILTER_UNKNOWN;
	s->dropped = 0;
	s->reason = filter_parse(data, end, length, &s->packet);
	if (s->reason == FILTER_KNOWN)
		source = filter_judge(s);
	if (s->verdict == FILTER_MALICIOUS)
		s->dropped = c->enforce_until_ns > s->now_ns && st->tripped_ns == 0;
	if (source) {
		source->class = s->class;
		if (s->verdict == FILTER_MALICIOUS) {
			__sync_fetch_and_add(&source->malicious, 1);
			__sync_fetch_and_add(&source->dropped, (__u64)s->dropped);
		}
		filter_meter(s, source, c, st);
	}
	filter_book(s);
	filter_sample(s, c, st);
	return s->dropped != 0;
}

#ifdef FILTER_TC

#define FILTER_TC_PASS -1  /* TC_ACT_UNSPEC: up to whoever comes next */
#define FILTER_TC_SHOT 2   /* TC_ACT_SHOT */
#define FILTER_HEADERS 256 /* bytes to have at hand: the rest may lie in pages */

SEC("tc")
int filter_tc(struct __sk_buff *skb)
{
	__u32 want = skb->len < FILTER_HEADERS ? skb->len : FILTER_HEADERS;

	if (skb->data_end - skb->data < want)
		bpf_skb_pull_data(skb, want);
	return filter_frame((const __u8 *)(long)skb->data, (const __u8 *)(long)skb->data_end,
			    skb->len, skb->ifindex)
		       ? FILTER_TC_SHOT
		       : FILTER_TC_PASS;
}

#elif !defined FILTER_BARE

SEC("xdp.frags")
int filter_xdp(struct xdp_md *ctx)
{
	return filter_frame((const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end,
			    (__u32)bpf_xdp_get_buff_len(ctx), ctx->ingress_ifindex)
		       ? XDP_DROP
		       : XDP_PASS;
}

#endif

#endif
