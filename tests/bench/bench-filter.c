/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the traffic filter costs: ns a packet above an empty program, and packets per second over a
 * veth pair against the same parsing, tracking and tree in user space behind an AF_PACKET socket.
 *
 *   bench-filter OBJECT-FOLDER [CAPTURE]
 *
 * Packets are made up, then those of the capture: 4,096 different ones in an order of chance.
 * Sending has one CPU, receiving another: the driver's thread and, where there is one, the reader
 * share it. No more is on the way than the queue holds, so that what is sent is judged, and the
 * rate is the receiver's. The arms take turns; medians.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "collectors/filter-twin.h"
#include "collectors/filter.h"
#include "models/packets/pcap.h"
#include "tests/bench/bench.h"
#include "tests/harness/filter-net.h"
#include "tests/harness/filter/bench.h"
#include "tests/harness/filter/tree-10.h"
#include "tests/harness/packets.h"
#include "util/io.h"
#include "util/time.h"

#define ROUNDS 9
#define RUNS 200000 /* of a program, in one go */
#define FRAME 512   /* bytes sent; IP lengths of the capture are cut to fit */
#define ROUND_US 300000
#define TRIES 5
#define AIM_NS 250
#define AIM_TIMES 3

typedef struct Bench {
        struct bpf_object *object;
        struct bench_flow *flow;
        FilterNet net;
        struct bench_headers table[BENCH_PACKETS];
        const char *packets; /* what they are, in words */
} Bench;

static uint64_t chance(uint64_t *x) {
        *x ^= *x << 13;
        *x ^= *x >> 7;
        *x ^= *x << 17;
        return *x;
}

/* Lengths as in the headers, but of what a frame here has room for. */
static void table_put(Bench *b, size_t i, const uint8_t *frame, size_t size) {
        struct bench_headers *h = &b->table[i];

        memset(h, 0, sizeof(*h));
        memcpy(h->bytes, frame, MIN(size, sizeof(h->bytes)));
        h->bytes[5] = 9; /* to nobody: the stack drops what is passed at once */
        if (get16(h->bytes + 16) > FRAME - 14)
                put16(h->bytes + 16, FRAME - 14);
}

static void table_make_up(Bench *b) {
        static const unsigned ports[] = {80, 443, 22, 8080, 53, 502};
        static const unsigned flags[] = {0x10, 0x18, 0x10, 0x18, 0x02, 0x11, 0x04, 0x12};
        uint64_t x = 88172645463325252U;

        b->packets = "packets made up, each of another flow";
        for (size_t i = 0; i < BENCH_PACKETS; i++) {
                Frame f;

                frame_ethernet(&f, 0x0800);
                frame_ipv4(&f, (unsigned)(chance(&x) % 200), 1, 6, 5);
                f.bytes[f.ip + 14] = (uint8_t)(chance(&x) % 4);
                frame_tcp(&f, 1024 + (unsigned)(chance(&x) % 60000), ports[chance(&x) % 6],
                          flags[chance(&x) % 8], 5);
                frame_finish(&f, chance(&x) % 2 ? 0 : chance(&x) % 1400);
                table_put(b, i, f.bytes, f.size);
        }
}

static bool is_usable(const PcapFrame *f) {
        return f->size >= 54 && get16(f->bytes + 12) == 0x0800;
}

/* IPv4 frames spread evenly over the capture. Returns how many different ones there are. */
static size_t table_from_capture(Bench *b, const char *path) {
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        size_t n_all = 0, i = 0, seen = 0;

        b->packets = "packets of a capture, of few flows";
        for (int pass = 0; f && pass < 2; pass++) {
                _cleanup_(pcap_done)
                Pcap pcap = PCAP_INIT;
                PcapFrame frame;

                rewind(f);
                if (pcap_open(f, path, &pcap, /* e= */ NULL) < 0)
                        return 0;
                while (i < BENCH_PACKETS && pcap_next(&pcap, &frame, /* e= */ NULL) > 0) {
                        if (!is_usable(&frame))
                                continue;
                        if (pass == 0)
                                n_all++;
                        else if (seen++ * BENCH_PACKETS / n_all >= i)
                                table_put(b, i++, frame.bytes, frame.size);
                }
        }
        return i;
}

static double median(double *x) {
        qsort(x, ROUNDS, sizeof(*x), bench_compare);
        return x[ROUNDS / 2];
}

static int program_fd(const Bench *b, const char *name) {
        return bpf_program__fd(bpf_object__find_program_by_name(b->object, name));
}

static int map_fd(const Bench *b, const char *name) {
        return bpf_map__fd(bpf_object__find_map_by_name(b->object, name));
}

static int open_object(Bench *b, const char *path) {
        struct filter_config config = {.kill_permille = FILTER_KILL_PERMILLE,
                                       .kill_packets_min = UINT64_MAX, /* counts, never trips */
                                       .enforce_until_ns = FILTER_FOREVER};
        struct filter_knobs *knobs;
        uint32_t zero = 0;
        size_t size;
        void *p;

        b->object = bpf_object__open_file(path, NULL);
        if (!b->object)
                return -errno;
        /* Whatever the tree says is malicious: enforced, it is a flood of which all is dropped. */
        knobs = (void *)bpf_map__initial_value(
                bpf_object__find_map_by_name(b->object, ".rodata.knobs"), &size);
        if (!knobs || size < sizeof(*knobs))
                return -EINVAL;
        knobs->malicious = ~UINT64_C(0);
        if (bpf_object__load(b->object) < 0)
                return -errno;
        p = mmap(NULL, sizeof(*b->flow), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd(b, "flow"), 0);
        if (p == MAP_FAILED || bpf_map_update_elem(map_fd(b, "config"), &zero, &config, 0) < 0)
                return -errno;
        b->flow = p;
        for (uint32_t i = 0; i < BENCH_PACKETS; i++)
                if (bpf_map_update_elem(map_fd(b, "table"), &i, &b->table[i], 0) < 0)
                        return -errno;
        return 0;
}

static double run_ns(const Bench *b, const char *name) {
        uint8_t frame[FRAME] = {0};
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
                    .repeat = RUNS);

        return bpf_prog_test_run_opts(program_fd(b, name), &opts) < 0 ? -1 : (double)opts.duration;
}

static int measure_ns(const Bench *b) {
        double empty[ROUNDS], filter[ROUNDS];

        for (size_t i = 0; i < ROUNDS; i++) {
                empty[i] = run_ns(b, "empty");
                filter[i] = run_ns(b, "filter");
                if (empty[i] < 0 || filter[i] < 0)
                        return -errno;
        }
        printf("filter with windows, flows and a tree of depth 10: %.0f ns a packet above an empty "
               "program's %.0f, median of %d runs of %d packets (aim: at most %d)\n",
               median(filter) - median(empty), median(empty), ROUNDS, RUNS, AIM_NS);
        return 0;
}

static void pin_to_cpu(pid_t pid, size_t cpu) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        (void)sched_setaffinity(pid, sizeof(set), &set);
}

/* The driver's receiving side as a thread of its own, on the second CPU. Returns 0, or -ENOENT
 * where the kernel knows no such threads or does not show them. */
static int thread_napi(const Bench *b) {
        int dir = open("/sys/class/net/f0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = dir < 0 ? -errno : io_write_at(dir, "threaded", "1");
        _cleanup_closedir_ DIR *proc = NULL;
        const struct dirent *entry;
        bool found = false;

        if (dir >= 0)
                close(dir);
        if (r < 0 || io_open_dir_at(AT_FDCWD, "/proc", &proc) < 0)
                return -ENOENT;
        while ((entry = readdir(proc))) {
                char path[64], comm[32];
                uint64_t pid;

                if (parse_u64(entry->d_name, 1, INT32_MAX, &pid) < 0)
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
                if (io_read_at(AT_FDCWD, path, comm, sizeof(comm)) <= 0 ||
                    strncmp(comm, "napi/f0", 7) != 0)
                        continue;
                pin_to_cpu((pid_t)pid, 1);
                found = true;
        }
        return found ? 0 : -ENOENT;
}

/* On the first CPU, in the peer's namespace: frames by the kernel's own generator. */
static pid_t start_generator(const Bench *b) {
        uint8_t frame[FRAME] = {0};
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
                    .repeat = 1 << 20, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin_to_cpu(0, 0);
        if (filter_net_enter_peer(&b->net) < 0)
                _exit(1);
        for (;;)
                if (bpf_prog_test_run_opts(program_fd(b, "generate"), &opts) < 0)
                        _exit(2);
}

/* What the shell does after parsing, in user space: the same fields, the same tree. */
static long judge_in_user_space(FilterTwin *twin, const uint8_t *frame, size_t size,
                                uint64_t now_ns) {
        struct tree_10_scratch scratch;
        struct filter_host_view view;
        struct filter_packet p;
        uint32_t raw[12], *to = raw;
        FilterTwinView seen;
        int32_t output;

        if (filter_twin_parse(frame, size, (uint32_t)size, &p) != FILTER_KNOWN)
                return 0;
        if (filter_twin_update(twin, &p, now_ns, 1U << PACKET_SCOPE_FLOW, &seen) < 0)
                return 0;
        filter_host_view(seen.source, now_ns, &view);
#define X(id)                                                           \
        *to++ = (int)PACKET_SCOPE_OF_##id == (int)PACKET_SCOPE_PACKET   \
                        ? filter_field_packet(PACKET_FIELD_##id, &p)    \
                : (int)PACKET_SCOPE_OF_##id == (int)PACKET_SCOPE_SOURCE \
                        ? filter_field_source(PACKET_FIELD_##id, &view) \
                        : filter_field_flow(PACKET_FIELD_##id, seen.flow, seen.way);
        TREE_10_FIELDS(X)
#undef X
        return tree_10_run(raw, &scratch, &output);
}

static uint64_t now_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Readers of an AF_PACKET socket, each as well as it is known to be done. */
typedef struct Reader {
        struct bench_flow *flow;
        FilterTwin *twin;
        int fd;
        long malicious;
} Reader;

static void read_one(Reader *r, const uint8_t *frame, size_t size) {
        r->malicious += judge_in_user_space(r->twin, frame, size, now_ns());
        if (++r->flow->mine % BENCH_TELL == 0)
                __atomic_store_n(&r->flow->judged, r->flow->mine, __ATOMIC_RELEASE);
}

static void read_by_call(Reader *r) {
        uint8_t frame[2048];

        for (;;) {
                ssize_t n = recv(r->fd, frame, sizeof(frame), 0);

                if (n > 0)
                        read_one(r, frame, (size_t)n);
        }
}

#define BATCH 64

static void read_by_batch(Reader *r) {
        static uint8_t frames[BATCH][2048];
        struct mmsghdr messages[BATCH] = {0};
        struct iovec parts[BATCH];

        for (size_t i = 0; i < BATCH; i++) {
                parts[i] = (struct iovec){frames[i], sizeof(frames[i])};
                messages[i].msg_hdr.msg_iov = &parts[i];
                messages[i].msg_hdr.msg_iovlen = 1;
        }
        for (;;) {
                int n = recvmmsg(r->fd, messages, BATCH, MSG_WAITFORONE, NULL);

                for (int i = 0; i < n; i++)
                        read_one(r, frames[i], messages[i].msg_len);
        }
}

#define SLOT 2048
#define SLOTS 1024

static void read_by_ring(Reader *r) {
        struct tpacket_req ring = {.tp_block_size = SLOT * 32,
                                   .tp_block_nr = SLOTS / 32,
                                   .tp_frame_size = SLOT,
                                   .tp_frame_nr = SLOTS};
        int version = TPACKET_V2;
        uint8_t *slots;

        (void)setsockopt(r->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version));
        if (setsockopt(r->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) < 0)
                _exit(3);
        slots = mmap(NULL, (size_t)SLOT * SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
        if (slots == MAP_FAILED)
                _exit(3);
        for (size_t i = 0;; i = (i + 1) % SLOTS) {
                struct tpacket2_hdr *h = (void *)(slots + i * SLOT);
                struct pollfd wait = {.fd = r->fd, .events = POLLIN};

                while (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
                        (void)poll(&wait, 1, -1);
                read_one(r, (const uint8_t *)h + h->tp_mac, h->tp_snaplen);
                __atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        }
}

typedef struct Arm {
        const char *name;
        const char *program; /* on the interface */
        bool enforce;
        void (*read)(Reader *r); /* NULL: nobody */
        double rate[ROUNDS];
        double result;
} Arm;

static pid_t start_reader(const Bench *b, const Arm *arm) {
        Reader r = {.flow = b->flow};
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin_to_cpu(0, 1);
        r.fd = filter_net_packet_socket(&b->net, false);
        if (r.fd < 0 || filter_twin_new(&r.twin) < 0)
                _exit(1);
        arm->read(&r);
        _exit(0);
}

static void stop(pid_t pid) {
        if (pid > 0) {
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
        }
}

static uint64_t judged(const Bench *b) {
        return __atomic_load_n(&b->flow->judged, __ATOMIC_ACQUIRE);
}

/* Packets judged per second. */
static int run_arm(Bench *b, const Arm *arm, double *ret) {
        uint32_t zero = 0;
        struct filter_config config = {.kill_permille = FILTER_KILL_PERMILLE,
                                       .kill_packets_min = UINT64_MAX,
                                       .enforce_until_ns = arm->enforce ? FILTER_FOREVER : 0};
        pid_t generator, reader = -1;
        uint64_t n, begin;
        usec_t start;

        if (bpf_map_update_elem(map_fd(b, "config"), &zero, &config, 0) < 0 ||
            bpf_xdp_attach((int)b->net.interface, program_fd(b, arm->program), XDP_FLAGS_DRV_MODE,
                           NULL) < 0)
                return -errno;
        if (thread_napi(b) < 0)
                return -ENOENT;
        memset(b->flow, 0, sizeof(*b->flow));
        b->flow->interface = b->net.interface_of_peer;
        if (arm->read)
                reader = start_reader(b, arm);
        (void)usleep(50000);
        generator = start_generator(b);
        (void)usleep(100000);
        start = usec_now(CLOCK_MONOTONIC);
        begin = judged(b);
        (void)usleep(ROUND_US);
        n = judged(b) - begin;
        *ret = (double)n * 1e6 / (double)(usec_now(CLOCK_MONOTONIC) - start);
        stop(generator);
        (void)usleep(20000);
        stop(reader);
        (void)bpf_xdp_detach((int)b->net.interface, XDP_FLAGS_DRV_MODE, NULL);
        return n > 0 ? 0 : -EIO;
}

static int measure_rates(Bench *b) {
        Arm arms[] = {
                {"XDP, all dropped", "judge", true, NULL, {0}, 0},
                {"XDP, all passed", "judge", false, NULL, {0}, 0},
                {"AF_PACKET, recv", "pass", false, read_by_call, {0}, 0},
                {"AF_PACKET, recvmmsg", "pass", false, read_by_batch, {0}, 0},
                {"AF_PACKET, mapped ring", "pass", false, read_by_ring, {0}, 0},
        };
        int r;

        for (size_t i = 0; i < ROUNDS; i++)
                for (size_t k = 0; k < ELEMENTSOF(arms); k++) {
                        /* On a machine that has much to do nothing may come through for a while. */
                        for (int tries = 0; tries == 0 || (r == -EIO && tries < TRIES); tries++)
                                r = run_arm(b, &arms[k], &arms[k].rate[i]);
                        if (r < 0) {
                                printf("%s: %s\n", arms[k].name, strerror(-r));
                                return r;
                        }
                }
        for (size_t k = 0; k < ELEMENTSOF(arms); k++)
                arms[k].result = median(arms[k].rate);
        printf("median of %d rounds of %d ms; aim: at least %d times what a reader judges\n"
               "%-24s %11s %16s %16s\n",
               ROUNDS, ROUND_US / 1000, AIM_TIMES, "", "packets/s", "passing, times",
               "dropping, times");
        for (size_t k = 0; k < ELEMENTSOF(arms); k++)
                printf("%-24s %11.0f %16.2f %16.2f\n", arms[k].name, arms[k].result,
                       arms[1].result / arms[k].result, arms[0].result / arms[k].result);
        return 0;
}

/* One object for each kind of packets: what is remembered of the one is not the other's. */
static int measure(Bench *b, const char *path) {
        int r = open_object(b, path);

        if (r >= 0) {
                printf("-- %s\n", b->packets);
                r = measure_ns(b);
        }
        if (r >= 0)
                r = measure_rates(b);
        if (b->flow)
                (void)munmap(b->flow, sizeof(*b->flow));
        b->flow = NULL;
        bpf_object__close(b->object);
        b->object = NULL;
        return r;
}

static int run(Bench *b, const char *folder, const char *capture) {
        char path[512];
        int r;

        (void)snprintf(path, sizeof(path), "%s/filter-bench.bpf.o", folder);
        r = filter_net_set_up(&b->net);
        if (r == 0 && mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
                r = -errno;
        if (r == 0) {
                table_make_up(b);
                r = measure(b, path);
        }
        if (r == 0 && capture)
                r = table_from_capture(b, capture) == BENCH_PACKETS ? measure(b, path) : -ENODATA;
        filter_net_tear_down(&b->net);
        return r;
}

int main(int argc, char **argv) {
        static Bench b;
        int r;

        if (argc < 2 || argc > 3) {
                fprintf(stderr, "usage: bench-filter OBJECT-FOLDER [CAPTURE]\n");
                return 2;
        }
        r = run(&b, argv[1], argv[2]);
        if (r < 0)
                fprintf(stderr, "failed: %s\n", strerror(-r));
        return r < 0 ? 1 : r > 0 ? 77 : 0;
}
