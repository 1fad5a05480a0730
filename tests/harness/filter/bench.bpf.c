/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the filter's speed is measured with. Each run of `empty`, `filter` and `generate` writes the
 * headers of another packet of a table into the frame at hand, in an order that no branch predictor
 * learns: the first does that alone, the second judges then, the third sends it out of an interface
 * as long as the receiver keeps up. There `judge` or `pass` take it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tests/harness/filter/bench.h"
#include "tests/harness/filter/tree-10.h"

#define FILTER_BARE
#define FILTER_FIELDS(X) TREE_10_FIELDS(X)
#define FILTER_OUTPUTS TREE_10_OUTPUTS
#define FILTER_SCRATCH struct tree_10_scratch
#define FILTER_RUN tree_10_run
#include "collectors/bpf/filter-shell.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_PACKETS);
	__type(key, __u32);
	__type(value, struct bench_headers);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dice SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bench_flow);
} flow SEC(".maps");

static __always_inline int deal(struct xdp_md *ctx)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	const struct bench_headers *h;
	__u32 zero = 0, i;
	__u64 *x = bpf_map_lookup_elem(&dice, &zero);

	if (!x || data + BENCH_HEADERS > end)
		return 0;
	*x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
	i = *x >> 40 & (BENCH_PACKETS - 1);
	h = bpf_map_lookup_elem(&table, &i);
	if (!h)
		return 0;
	__builtin_memcpy(data, h->bytes, BENCH_HEADERS);
	return 1;
}

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	deal(ctx);
	return XDP_PASS;
}

SEC("xdp")
int filter(struct xdp_md *ctx)
{
	deal(ctx);
	return filter_frame((const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end,
			    (__u32)bpf_xdp_get_buff_len(ctx), ctx->ingress_ifindex)
		       ? XDP_DROP
		       : XDP_PASS;
}

/* Less than a queue of the interface is on the way: what is sent is received. */
SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u32 zero = 0;
	volatile struct bench_flow *f = bpf_map_lookup_elem(&flow, &zero);

	if (!f || f->sent - f->judged >= BENCH_WINDOW)
		return XDP_DROP;
	deal(ctx);
	f->sent++;
	return bpf_redirect(f->interface, 0);
}

SEC("xdp.frags")
int judge(struct xdp_md *ctx)
{
	int drop = filter_frame((const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end,
				(__u32)bpf_xdp_get_buff_len(ctx), ctx->ingress_ifindex);
	__u32 zero = 0;
	volatile struct bench_flow *f = bpf_map_lookup_elem(&flow, &zero);

	if (f && ++f->mine % BENCH_TELL == 0)
		f->judged = f->mine;
	return drop ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}
