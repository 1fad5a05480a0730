/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's filter against its twin in user space, bit by bit: reason, packet, every field,
 * class and verdict of 100,000 packets as a capture of real traffic has them, at its own and at
 * higher speeds, and of 100,000 of the same bent by a seeded generator (truncated, bits flipped,
 * VLAN tags, fragments, lengths that cannot be, IPv6 with extension headers, frames in several
 * buffers).
 *
 *   test-filter OBJECT-FOLDER [CAPTURE]
 */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <sched.h>

#include "collectors/filter-internal.h"
#include "collectors/filter-twin.h"
#include "models/packet-field.h"
#include "models/packets/pcap.h"
#include "tests/harness/filter/all-fields.h"
#include "tests/harness/filter-subject.h"
#include "tests/harness/packets.h"

#define PLAIN(id, ...) WANTED(id)
#define WANTED X
#define FILTER_FIELDS(X) PACKET_FIELDS(PLAIN)
#define FILTER_OUTPUTS ALL_FIELDS_OUTPUTS
#define FILTER_SCRATCH struct all_fields_scratch
#include "collectors/bpf/filter-scratch.h"

#define PACKETS 100000U /* of each kind */
#define FRAME_MAX 9000
/* Where the kernel's test run goes over to a second buffer (page, headroom, skb_shared_info). */
#define LINEAR_MAX (4096 - 256 - 320)

static uint64_t seed = 0x9e3779b97f4a7c15U;

static uint64_t noise(void) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed;
}

typedef struct Bent {
        uint8_t bytes[FRAME_MAX];
        size_t size;
} Bent;

static size_t below(size_t n) {
        return n > 0 ? (size_t)(noise() % n) : 0;
}

static void insert(Bent *b, size_t at, size_t n) {
        if (at > b->size || b->size + n > sizeof(b->bytes))
                return;
        memmove(b->bytes + at + n, b->bytes + at, b->size - at);
        memset(b->bytes + at, 0, n);
        b->size += n;
}

static void bend_vlan(Bent *b) {
        static const unsigned tpids[] = {0x8100, 0x88a8, 0x9100};

        for (size_t i = below(3) + 1; i > 0; i--) {
                insert(b, 12, 4);
                put16(b->bytes + 12, tpids[below(3)]);
                put16(b->bytes + 14, (unsigned)below(65536));
        }
}

/* Any header byte of IPv4 and what follows: lengths, versions, offsets, flags. */
static void bend_header(Bent *b) {
        if (b->size >= 54)
                b->bytes[14 + below(40)] = (uint8_t)noise();
}

static void bend_lengths(Bent *b) {
        static const size_t places[] = {14 + 2, 14 + 4, 14 + 20 + 4};

        if (b->size < 54)
                return;
        if (below(2))
                b->bytes[14] = (uint8_t)(0x40 | below(16));
        if (below(2))
                put16(b->bytes + places[below(3)], (unsigned)below(below(2) ? 65536 : b->size + 2));
        if (below(2))
                b->bytes[14 + 20 + 12] = (uint8_t)(below(16) << 4);
}

static void bend_fragment(Bent *b) {
        static const unsigned words[] = {0x2000, 0x0001, 0x1fff, 0x4000, 0x8000, 0x6000};

        if (b->size >= 34)
                put16(b->bytes + 14 + 6, words[below(ELEMENTSOF(words))]);
}

/* IPv4 becomes IPv6, with none to eight extension headers. */
static void bend_ipv6(Bent *b) {
        static const uint8_t kinds[] = {0, 43, 44, 51, 60, 135, 139, 140};
        size_t header = (size_t)(b->bytes[14] & 15) * 4, rest, n = below(9);
        uint8_t protocol = b->bytes[14 + 9], extensions[256], *next;
        uint8_t ip[40] = {0x60, [7] = 64, [8] = 0x20, 0x01, [24] = 0x20, 0x01};
        size_t used = 0;

        if (get16(b->bytes + 12) != 0x0800 || b->size < 34 || b->size < 14 + header)
                return;
        memcpy(ip + 20, b->bytes + 14 + 12, 4);
        memcpy(ip + 36, b->bytes + 14 + 16, 4);
        ip[9] = (uint8_t)below(2);
        next = ip + 6;
        for (size_t i = 0; i < n; i++) {
                uint8_t kind = kinds[below(sizeof(kinds))], *p = extensions + used;
                size_t size = kind == 51 ? 12 + 4 * below(3) : kind == 44 ? 8 : 8 + 8 * below(3);

                memset(p, 0, size);
                p[1] = (uint8_t)(kind == 51 ? size / 4 - 2 : kind == 44 ? 0 : size / 8 - 1);
                if (kind == 44 && below(3) == 0)
                        put16(p + 2, (unsigned)below(65536));
                if (below(40) == 0)
                        p[1] = (uint8_t)noise();
                *next = kind;
                next = p;
                used += size;
        }
        *next = protocol == 1 ? 58 : protocol;
        rest = b->size - 14 - header;
        if (14 + 40 + used + rest > sizeof(b->bytes))
                return;
        put16(ip + 4, (unsigned)(used + rest));
        memmove(b->bytes + 54 + used, b->bytes + 14 + header, rest);
        memcpy(b->bytes + 14, ip, sizeof(ip));
        memcpy(b->bytes + 54, extensions, used);
        put16(b->bytes + 12, 0x86dd);
        b->size = 54 + used + rest;
}

static void bend_flip(Bent *b) {
        for (size_t i = below(4) + 1; i > 0; i--)
                b->bytes[below(b->size)] ^= (uint8_t)(1U << below(8));
}

/* A frame that goes on in another buffer, with lengths to match. */
static void bend_long(Bent *b) {
        size_t n = LINEAR_MAX + below(4000);

        if (b->size < 34 || b->size >= n || get16(b->bytes + 12) != 0x0800)
                return;
        memset(b->bytes + b->size, 'x', n - b->size);
        b->size = n;
        put16(b->bytes + 16, (unsigned)(n - 14 - below(2)));
}

static void bend(Bent *b) {
        switch (noise() % 10) {
        case 0:
                b->size = 14 + below(b->size - 13);
                break;
        case 1:
                bend_flip(b);
                break;
        case 2:
                bend_vlan(b);
                break;
        case 3:
                bend_header(b);
                break;
        case 4:
                bend_lengths(b);
                break;
        case 5:
                bend_fragment(b);
                break;
        case 6:
        case 7:
                bend_ipv6(b);
                break;
        case 8:
                bend_ipv6(b);
                bend_vlan(b);
                bend_flip(b);
                break;
        default:
                bend_long(b);
                break;
        }
        if (b->size < 14)
                b->size = 14;
}

typedef struct Match {
        Filter *filter;
        FilterTwin *twin;
        int scratch_fd;
        struct filter_scratch *rows; /* of each CPU */
        int cpu;
        size_t n_packets;
        size_t n_captured; /* of them, as they are */
        size_t n_bent;
        size_t n_reasons[FILTER_REASON_COUNT];
        size_t n_verdicts[FILTER_VERDICT_COUNT];
} Match;

/* The map `scratch` of the program, which only it uses. */
static int find_scratch(Match *m) {
        uint32_t ids[32], size = sizeof(struct bpf_prog_info);
        struct bpf_prog_info info = {.nr_map_ids = ELEMENTSOF(ids), .map_ids = (uintptr_t)ids};

        if (bpf_obj_get_info_by_fd(m->filter->program_fd, &info, &size) < 0)
                return -errno;
        for (uint32_t i = 0; i < info.nr_map_ids && i < ELEMENTSOF(ids); i++) {
                struct bpf_map_info map = {0};
                int fd = bpf_map_get_fd_by_id(ids[i]);

                size = sizeof(map);
                if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &map, &size) == 0 &&
                    streq(map.name, "scratch") && map.value_size == sizeof(struct filter_scratch)) {
                        m->scratch_fd = fd;
                        return 0;
                }
                closep(&fd);
        }
        return -ENOENT;
}

static int report(const Match *m, const Bent *b, const char *what, uint64_t kernel, uint64_t twin) {
        fprintf(stderr, "packet %zu of %zu bytes: %s: kernel %" PRIu64 ", twin %" PRIu64 "\n ",
                m->n_packets, b->size, what, kernel, twin);
        for (size_t i = 0; i < b->size && i < 128; i++)
                fprintf(stderr, " %02x", b->bytes[i]);
        fprintf(stderr, "\n");
        return -EBADMSG;
}

static int compare(const Match *m, const Bent *b, const struct filter_scratch *kernel,
                   const struct filter_scratch *twin) {
        if (kernel->reason != twin->reason)
                return report(m, b, "reason", kernel->reason, twin->reason);
        if (memcmp(&kernel->packet, &twin->packet, sizeof(twin->packet)) != 0)
                return report(m, b, "headers", 1, 0);
        if (kernel->verdict != twin->verdict)
                return report(m, b, "verdict", kernel->verdict, twin->verdict);
        if (twin->reason != FILTER_KNOWN)
                return 0;
        for (size_t i = 0; i < PACKET_FIELD_COUNT; i++)
                if (kernel->raw[i] != twin->raw[i])
                        return report(m, b, packet_field_table[i].name, kernel->raw[i],
                                      twin->raw[i]);
        if (kernel->class != twin->class || kernel->outputs[0] != twin->outputs[0] ||
            kernel->outputs[1] != twin->outputs[1])
                return report(m, b, "class", kernel->class, twin->class);
        return 0;
}

static int judge_twin(const Match *m, const Bent *b, uint64_t now_ns, struct filter_scratch *ret) {
        /* The kernel has no more than this at hand; the rest is in pages. */
        size_t linear = MIN(b->size, (size_t)LINEAR_MAX);
        int r;

        ret->verdict = FILTER_UNKNOWN;
        ret->reason = filter_twin_parse(b->bytes, linear, (uint32_t)b->size, &ret->packet);
        if (ret->reason != FILTER_KNOWN)
                return 0;
        r = filter_twin_track(m->twin, &ret->packet, now_ns, ret->raw);
        if (r < 0)
                return r;
        ret->class = (uint32_t)all_fields_run(ret->raw, &ret->model, ret->outputs);
        ret->verdict = ret->class != 0 ? FILTER_MALICIOUS : FILTER_BENIGN;
        return 0;
}

static int judge(Match *m, const Bent *b, uint64_t now_ns) {
        struct filter_scratch twin = {0};
        uint32_t zero = 0;
        Error e = ERROR_INIT;
        bool dropped;
        int r;

        filter_set_test_clock(m->filter, now_ns);
        r = filter_run(m->filter, b->bytes, b->size, 1, &dropped, NULL, &e);
        if (r < 0) {
                fprintf(stderr, "%s\n", e.text);
                return r;
        }
        if (bpf_map_lookup_elem(m->scratch_fd, &zero, m->rows) < 0)
                return -errno;
        r = judge_twin(m, b, now_ns, &twin);
        if (r >= 0)
                r = compare(m, b, &m->rows[m->cpu], &twin);
        if (r >= 0 && dropped != (twin.verdict == FILTER_MALICIOUS))
                r = report(m, b, "dropped", dropped, !dropped);
        if (r < 0)
                return r;
        m->n_packets++;
        m->n_reasons[twin.reason]++;
        m->n_verdicts[twin.verdict]++;
        return 0;
}

/* One way through the capture, `speed` times as fast, as it is or bent. *n: packets of that kind;
 * *now_ns: of its beginning, then of its end. */
static int judge_capture(Match *m, Pcap *pcap, int64_t speed, bool bent, size_t *n,
                         uint64_t *now_ns, Error *e) {
        uint64_t begin = *now_ns;
        PcapFrame frame;
        int64_t first = 0;
        int r = 0;

        while (*n < PACKETS && (r = pcap_next(pcap, &frame, e)) > 0) {
                Bent b = {.size = MIN(MAX(frame.size, 14U), (uint32_t)FRAME_MAX)};

                if (pcap->n_frames == 1)
                        first = frame.at_ns;
                memcpy(b.bytes, frame.bytes, MIN(frame.size, b.size));
                /* What is no IP stays so, bent or not: seen as it is is enough. */
                if (bent && get16(b.bytes + 12) != 0x0800)
                        continue;
                if (bent)
                        bend(&b);
                *now_ns = begin + (uint64_t)(MAX(frame.at_ns - first, INT64_C(0)) / speed);
                r = judge(m, &b, *now_ns);
                if (r < 0)
                        return r;
                (*n)++;
        }
        return r < 0 ? r : pcap->n_frames > 0 ? 0 : -EINVAL;
}

/* The capture from its beginning, again and again. */
static int judge_all(Match *m, const char *path, Error *e) {
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        uint64_t now = (uint64_t)1 << 40;
        int64_t speed = 1;
        int r = 0;

        if (!f)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        for (; r >= 0 && m->n_bent < PACKETS; speed = speed < 4096 ? speed * 8 : 1) {
                bool bent = m->n_captured >= PACKETS;
                _cleanup_(pcap_done)
                Pcap pcap = PCAP_INIT;

                rewind(f);
                r = pcap_open(f, path, &pcap, e);
                if (r >= 0)
                        r = judge_capture(m, &pcap, speed, bent, bent ? &m->n_bent : &m->n_captured,
                                          &now, e);
                now += 1000;
        }
        return r;
}

/* The kernel's own counters say the same. */
static int check_counters(const Match *m) {
        struct filter_counters c;
        Error e = ERROR_INIT;
        uint64_t model;

        if (filter_get_counters(m->filter, FILTER_SLOT_COUNT, &model, &c, &e) < 0 || model != 7)
                return -EINVAL;
        for (size_t i = 0; i < FILTER_REASON_COUNT; i++) {
                if (c.reason[i] != m->n_reasons[i])
                        return -EINVAL;
                printf("%-22s %6zu  %s\n", i == 0 ? "" : "unknown", m->n_reasons[i],
                       filter_reason_text(i));
        }
        for (size_t i = 0; i < FILTER_VERDICT_COUNT; i++) {
                if (c.verdict[i].packets != m->n_verdicts[i])
                        return -EINVAL;
                printf("%-22s %6zu\n", filter_verdict_name(i), m->n_verdicts[i]);
        }
        return c.dropped.packets == m->n_verdicts[FILTER_MALICIOUS] ? 0 : -EINVAL;
}

static int run(Subject *s, const char *capture) {
        FilterOptions options = {
                .sources_max = 1U << 18, .flows_max = 1U << 19, .test_clock = true};
        _cleanup_free_
        struct filter_scratch *rows = NULL;
        _cleanup_(filter_freep)
        Filter *f = NULL;
        _cleanup_(filter_twin_freep)
        FilterTwin *twin = NULL;
        Match m = {.scratch_fd = -EBADF, .cpu = sched_getcpu()};
        Error e = ERROR_INIT;
        cpu_set_t set;
        int r;

        CPU_ZERO(&set);
        CPU_SET((size_t)m.cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
                return -errno;
        r = filter_load(&s->model, &options, &f, &e);
        if (subject_skips(r, &e))
                return SKIPPED;
        if (r >= 0)
                r = filter_twin_new(&twin);
        rows = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*rows));
        if (r < 0 || !rows) {
                fprintf(stderr, "%s\n", e.text[0] ? e.text : strerror(-r));
                return r < 0 ? r : -ENOMEM;
        }
        m.filter = f;
        m.twin = twin;
        m.rows = rows;
        r = find_scratch(&m);
        if (r < 0)
                return r;
        filter_set_enforce(f, FILTER_FOREVER);
        (void)filter_set_kill_switch(f, 1000, 1);
        r = judge_all(&m, capture, &e);
        close(m.scratch_fd);
        if (r >= 0)
                r = check_counters(&m);
        if (r >= 0)
                printf("%zu packets as captured and %zu bent: kernel and twin agree in every bit\n",
                       m.n_captured, m.n_bent);
        else if (e.text[0])
                fprintf(stderr, "%s\n", e.text);
        return r;
}

int main(int argc, char **argv) {
        Subject s = {0};
        int r;

        if (argc != 2 && argc != 3) {
                fprintf(stderr, "usage: test-filter OBJECT-FOLDER [CAPTURE]\n");
                return 2;
        }
        if (argc == 2) {
                printf("SKIP: there is no capture of real traffic to hold the kernel against\n");
                return SKIPPED;
        }
        r = subject_load(argv[1], "all-fields", 7, &s);
        if (r >= 0)
                r = run(&s, argv[2]);
        subject_done(&s);
        if (r < 0)
                fprintf(stderr, "failed: %s\n", strerror(-r));
        return r < 0 ? 1 : r;
}
