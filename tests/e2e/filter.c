/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traffic filter on an interface: between two network namespaces of the test's own, in the
 * driver's path and in the generic one. filter OBJECT-FOLDER
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "collectors/filter.h"
#include "tests/harness/filter-loads.h"
#include "tests/harness/filter-subject.h"
#include "tests/harness/packets.h"
#include "util/time.h"

static FilterNet net;
static Subject always_0, always_1, always_1_tc, syn_flood;
static char pin_dir[128];
static Filter *f;                 /* of the test at hand: let go after it, however it ended */
static int sender = -1, tap = -1; /* p0's and f0's packet sockets */

static Filter *attach(const Subject *s, bool generic, const char *dir) {
        FilterOptions options = {
                .generic = generic, .pin_dir = dir, .sources_max = 4096, .flows_max = 4096};
        Error e = ERROR_INIT;
        Filter *filter = NULL;

        if (filter_attach(net.interface, &s->model, &options, &filter, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(filter_set_kill_switch(filter, 1000, 1), 0);
        return filter;
}

static FilterStatus status(const Filter *filter) {
        Error e = ERROR_INIT;
        FilterStatus st;

        assert_int_equal(filter_get_status(filter, boot_ns(), &st, &e), 0);
        return st;
}

static struct filter_counters counters(const Filter *filter) {
        struct filter_counters c;
        Error e = ERROR_INIT;

        assert_int_equal(filter_get_counters(filter, FILTER_SLOT_COUNT, NULL, &c, &e), 0);
        return c;
}

static uint64_t all(const Filter *filter) {
        struct filter_counters c = counters(filter);
        uint64_t n = 0;

        for (size_t i = 0; i < FILTER_VERDICT_COUNT; i++)
                n += c.verdict[i].packets;
        return n;
}

static void nap(unsigned usec) {
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)usec * 1000}, NULL);
}

/* Until the filter has seen n packets; the next softirq takes them. */
static void wait_for(const Filter *filter, uint64_t n) {
        for (int i = 0; i < 20000 && all(filter) < n; i++)
                nap(100);
        assert_int_equal(all(filter), n);
}

/* A few at a time: the queue of a veth is short. */
static void send_frames(const Filter *filter, const Frame *frame, size_t n) {
        uint64_t before = all(filter);

        for (size_t i = 1; i <= n; i++) {
                assert_int_equal(send(sender, frame->bytes, frame->size, 0), frame->size);
                if (i % 32 == 0 || i == n)
                        wait_for(filter, before + i);
        }
}

/* Frames that got through to the namespace since last asked. */
static size_t delivered(void) {
        static const uint8_t from[] = {2, 0, 0, 0, 0, 2};
        uint8_t frame[2048];
        size_t n = 0;

        /* Generic XDP counts before it delivers. */
        nap(20000);
        while (recv(tap, frame, sizeof(frame), MSG_DONTWAIT) > 0)
                n += memcmp(frame + 6, from, sizeof(from)) == 0;
        return n;
}

static void check_shadow_and_enforce(bool generic) {
        Frame frame = frame_datagram(7);
        uint64_t end;

        f = attach(&always_1, generic, NULL);
        assert_true(status(f).attached);
        assert_int_equal(status(f).path, generic ? FILTER_GENERIC : FILTER_NATIVE);
        (void)delivered();
        send_frames(f, &frame, 200);
        assert_int_equal(delivered(), 200);
        assert_int_equal(counters(f).verdict[FILTER_MALICIOUS].packets, 200);
        assert_int_equal(counters(f).dropped.packets, 0);
        end = boot_ns() + 2 * NSEC_PER_SEC;
        filter_set_enforce(f, end);
        send_frames(f, &frame, 100);
        assert_int_equal(delivered(), 0);
        assert_int_equal(counters(f).dropped.packets, 100);
        /* Nobody ends the lease but the kernel. */
        while (boot_ns() < end)
                nap(20000);
        send_frames(f, &frame, 100);
        assert_int_equal(delivered(), 100);
        assert_int_equal(counters(f).dropped.packets, 100);
        assert_false(status(f).enforcing);
}

static void test_native(void **state) {
        check_shadow_and_enforce(false);
}

static void test_generic(void **state) {
        check_shadow_and_enforce(true);
}

static void test_kill_switch(void **state) {
        Frame frame = frame_datagram(7);
        size_t n;

        f = attach(&always_1, false, NULL);
        assert_int_equal(filter_set_kill_switch(f, 500, 200), 0);
        filter_set_enforce(f, FILTER_FOREVER);
        (void)delivered();
        for (unsigned source = 10; source < 210; source++) {
                frame = frame_datagram(source);
                send_frames(f, &frame, 10);
        }
        n = delivered();
        assert_true(n >= 1000 && n < 2000 - 150);
        assert_true(status(f).tripped_ns > 0);
        assert_false(status(f).enforcing);
        send_frames(f, &frame, 100);
        assert_int_equal(delivered(), 100);
}

static void test_allow_list(void **state) {
        Frame friend = frame_datagram(7), other = frame_datagram(8);
        Error e = ERROR_INIT;
        FilterPrefix p;

        f = attach(&always_1, false, NULL);
        assert_int_equal(filter_prefix_parse("192.0.2.7", &p, &e), 0);
        assert_int_equal(filter_allow_add(f, &p, &e), 1);
        filter_set_enforce(f, FILTER_FOREVER);
        (void)delivered();
        send_frames(f, &friend, 50);
        send_frames(f, &other, 50);
        assert_int_equal(delivered(), 50);
        assert_int_equal(counters(f).verdict[FILTER_ALLOWED].packets, 50);
        assert_int_equal(counters(f).dropped.packets, 50);
}

/* Free lets go of an interface whose filter is not pinned. */
static void test_unpinned_ends_with_its_owner(void **state) {
        Frame frame = frame_datagram(7);

        f = attach(&always_1, false, NULL);
        filter_set_enforce(f, FILTER_FOREVER);
        send_frames(f, &frame, 10);
        f = filter_free(f);
        (void)delivered();
        for (int i = 0; i < 10; i++)
                assert_int_equal(send(sender, frame.bytes, frame.size, 0), frame.size);
        assert_int_equal(delivered(), 10);
}

static void test_two_filters_on_one_interface(void **state) {
        Filter *other = NULL;
        Error e = ERROR_INIT;

        f = attach(&always_0, false, NULL);
        assert_int_equal(filter_attach(net.interface, &always_1.model, NULL, &other, &e), -EBUSY);
        assert_non_null(strstr(e.text, "another XDP program"));
        assert_true(status(f).attached);
        e = ERROR_INIT;
        assert_int_equal(filter_attach(4711, &always_1.model, NULL, &other, &e), -ENODEV);
}

typedef struct Mixed {
        size_t n;
        size_t wrong;
        size_t of_model[3];
} Mixed;

/* Every word of a sample is of one model: 1 says 0, 2 says 1. */
static void on_sample(const struct filter_sample *s, void *userdata) {
        Mixed *m = userdata;
        uint32_t says = (uint32_t)s->model - 1;

        m->n++;
        if (s->model != 1 && s->model != 2) {
                m->wrong++;
                return;
        }
        m->of_model[s->model]++;
        m->wrong += s->class != says || s->outputs[0] != (int32_t)says ||
                    s->outputs[1] != (int32_t)says ||
                    s->verdict != (says ? FILTER_MALICIOUS : FILTER_BENIGN);
}

#define SWAPS 12

typedef struct Traffic {
        atomic_bool stop;
        atomic_size_t sent;
} Traffic;

/* In a process of its own, as fast as the filter takes them. */
static _Noreturn void send_until_stopped(Traffic *t) {
        for (size_t i = 1; !t->stop; i++) {
                Frame frame = frame_datagram(1 + i % 200);

                if (send(sender, frame.bytes, frame.size, 0) < 0)
                        _exit(1);
                t->sent = i;
                for (int k = 0; i % 64 == 0 && k < 50000 && all(f) + 64 < i; k++)
                        nap(20);
        }
        _exit(0);
}

/* Under traffic, to and fro: every packet is judged by exactly one model, and none by none. */
static void test_hot_swap(void **state) {
        Traffic *traffic = mmap(NULL, sizeof(*traffic), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct filter_counters c;
        Mixed mixed = {0};
        Error e = ERROR_INIT;
        int how = 0;
        pid_t pid;

        assert_true(traffic != MAP_FAILED);
        f = attach(&always_0, false, NULL);
        filter_set_sampling(f, FILTER_BENIGN, 1);
        filter_set_sampling(f, FILTER_MALICIOUS, 1);
        assert_int_equal(filter_samples_open(f, on_sample, &mixed, &e), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                send_until_stopped(traffic);
        for (int i = 0; i < SWAPS; i++) {
                uint64_t before = all(f);

                for (int k = 0; k < 10000 && all(f) < before + 500; k++)
                        nap(100);
                if (filter_swap(f, i % 2 ? &always_0.model : &always_1.model, &e) < 0)
                        fail_msg("%s", e.text);
                assert_true(filter_samples_dispatch(f) >= 0);
        }
        traffic->stop = true;
        assert_int_equal(waitpid(pid, &how, 0), pid);
        assert_int_equal(how, 0);
        wait_for(f, traffic->sent);
        c = counters(f);
        assert_int_equal(c.verdict[FILTER_BENIGN].packets + c.verdict[FILTER_MALICIOUS].packets,
                         traffic->sent);
        assert_int_equal(c.class[0], c.verdict[FILTER_BENIGN].packets);
        assert_int_equal(c.class[1], c.verdict[FILTER_MALICIOUS].packets);
        assert_true(c.class[0] > SWAPS / 2 * 400 && c.class[1] > SWAPS / 2 * 400);
        assert_int_equal(mixed.wrong, 0);
        assert_true(mixed.of_model[1] > 100 && mixed.of_model[2] > 100);
        printf("%d swaps under %zu packets, %zu of them looked at\n", SWAPS, traffic->sent,
               mixed.n);
        (void)munmap(traffic, sizeof(*traffic));
}

/* A process attaches, enforces and is gone; the filter stays, and the next one takes it over. */
static void test_pinned_outlives_its_loader(void **state) {
        Frame frame = frame_datagram(9);
        Error e = ERROR_INIT;
        FilterExplanation x;
        FilterPrefix p;
        int how;
        pid_t pid;

        assert_int_equal(filter_adopt(pin_dir, &f, &e), -ENOENT);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                Filter *mine = NULL;
                FilterOptions options = {.pin_dir = pin_dir};
                int r = filter_attach(net.interface, &always_1.model, &options, &mine, &e);

                if (r < 0) {
                        fprintf(stderr, "%s\n", e.text);
                        _exit(1);
                }
                (void)filter_set_kill_switch(mine, 1000, 1);
                filter_set_enforce(mine, FILTER_FOREVER);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &how, 0), pid);
        assert_int_equal(how, 0);
        (void)delivered();
        for (int i = 0; i < 20; i++)
                assert_int_equal(send(sender, frame.bytes, frame.size, 0), frame.size);
        assert_int_equal(delivered(), 0);
        e = ERROR_INIT;
        if (filter_adopt(pin_dir, &f, &e) < 0)
                fail_msg("%s", e.text);
        assert_true(status(f).attached && status(f).pinned && status(f).enforcing);
        assert_int_equal(status(f).interface, net.interface);
        assert_int_equal(status(f).path, FILTER_NATIVE);
        assert_int_equal(status(f).model, 2);
        assert_int_equal(status(f).n_fields, 2);
        assert_int_equal(counters(f).dropped.packets, 20);
        assert_int_equal(filter_prefix_parse("192.0.2.9", &p, &e), 0);
        assert_int_equal(filter_explain(f, p.address, boot_ns(), &x, &e), 0);
        assert_int_equal(x.source.dropped, 20);
        /* It is as good as its own: another model, and back to shadow. */
        assert_int_equal(filter_swap(f, &always_0.model, &e), 0);
        send_frames(f, &frame, 5);
        assert_int_equal(delivered(), 5);
        f = filter_free(f);
        if (filter_adopt(pin_dir, &f, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(status(f).model, 1);
        assert_int_equal(status(f).path, FILTER_NATIVE);
        assert_int_equal(filter_run(f, frame.bytes, frame.size, 1, NULL, NULL, &e), -EBADF);
        assert_int_equal(filter_detach(f, &e), 0);
        assert_true(access(pin_dir, F_OK) < 0);
        assert_false(status(f).attached);
}

static void test_pins_in_pieces(void **state) {
        FilterOptions options = {.pin_dir = pin_dir};
        Filter *other = NULL;
        Error e = ERROR_INIT;
        char path[256];

        f = attach(&always_0, false, pin_dir);
        assert_int_equal(filter_attach(net.interface, &always_1.model, &options, &other, &e),
                         -EEXIST);
        f = filter_free(f);
        /* A map is gone: nothing to go on with, but to clear. */
        (void)snprintf(path, sizeof(path), "%s/flows", pin_dir);
        assert_int_equal(unlink(path), 0);
        e = ERROR_INIT;
        assert_int_equal(filter_adopt(pin_dir, &f, &e), -ESTALE);
        assert_non_null(strstr(e.text, "flows"));
        assert_int_equal(filter_clear(pin_dir, &e), 0);
        assert_int_equal(filter_clear(pin_dir, &e), 0);
        assert_true(access(pin_dir, F_OK) < 0);
        /* Stopped while pinning, before the link: the maps are in nobody's way. */
        f = attach(&always_0, false, pin_dir);
        (void)snprintf(path, sizeof(path), "%s/link", pin_dir);
        assert_int_equal(unlink(path), 0);
        f = filter_free(f);
        e = ERROR_INIT;
        assert_int_equal(filter_adopt(pin_dir, &f, &e), -ENOENT);
        f = attach(&always_0, false, pin_dir);
        assert_int_equal(filter_detach(f, &e), 0);
        f = filter_free(f);
}

/* Adopted, and with another model since: still told as what it is. */
static void test_generic_is_told_after_adoption(void **state) {
        Error e = ERROR_INIT;

        f = attach(&always_0, true, pin_dir);
        f = filter_free(f);
        assert_int_equal(filter_adopt(pin_dir, &f, &e), 0);
        assert_int_equal(status(f).path, FILTER_GENERIC);
        assert_int_equal(filter_swap(f, &always_1.model, &e), 0);
        assert_int_equal(status(f).path, FILTER_GENERIC);
}

/* The pins stay, the link hangs in the air: said so, and cleared. */
static void test_interface_that_went_away(void **state) {
        FilterOptions options = {.pin_dir = pin_dir};
        FilterStatus st;
        Error e = ERROR_INIT;

        assert_int_equal(filter_net_run(&net, false, "ip link add gone type veth peer name gone2"),
                         0);
        assert_int_equal(filter_attach(if_nametoindex("gone"), &always_0.model, &options, &f, &e),
                         0);
        assert_int_equal(filter_net_run(&net, false, "ip link del gone"), 0);
        assert_int_equal(filter_get_status(f, boot_ns(), &st, &e), 0);
        assert_false(st.attached);
        f = filter_free(f);
        assert_int_equal(filter_adopt(pin_dir, &f, &e), -ESTALE);
        assert_int_equal(filter_clear(pin_dir, &e), 0);
        assert_true(access(pin_dir, F_OK) < 0);
}

static void test_folder_that_is_no_bpffs(void **state) {
        FilterOptions options = {.pin_dir = "/tmp/aikm-filter-no-bpffs"};
        Error e = ERROR_INIT;

        assert_int_equal(filter_attach(net.interface, &always_0.model, &options, &f, &e),
                         -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "bpffs"));
        assert_true(access(options.pin_dir, F_OK) < 0);
}

/* A folder that others may write to, or a name that leads elsewhere: nothing is put there, taken
 * over or removed. */
static void test_folder_of_somebody_else(void **state) {
        FilterOptions options = {.pin_dir = pin_dir};
        char elsewhere[] = "/tmp/aikm-filter.XXXXXX", config[64];
        Error e = ERROR_INIT;
        FILE *file;

        assert_int_equal(mkdir(pin_dir, 0700), 0);
        assert_int_equal(chmod(pin_dir, 0777), 0);
        assert_int_equal(filter_attach(net.interface, &always_0.model, &options, &f, &e), -EPERM);
        assert_non_null(strstr(e.text, "root's alone"));
        assert_int_equal(filter_adopt(pin_dir, &f, &e), -EPERM);
        assert_int_equal(filter_clear(pin_dir, &e), -EPERM);
        assert_int_equal(rmdir(pin_dir), 0);
        assert_non_null(mkdtemp(elsewhere));
        (void)snprintf(config, sizeof(config), "%s/config", elsewhere);
        file = fopen(config, "we");
        assert_non_null(file);
        (void)fclose(file);
        assert_int_equal(symlink(elsewhere, pin_dir), 0);
        assert_int_equal(filter_clear(pin_dir, &e), -EPERM);
        assert_int_equal(filter_attach(net.interface, &always_0.model, &options, &f, &e), -EPERM);
        assert_int_equal(access(config, F_OK), 0);
        assert_int_equal(unlink(pin_dir), 0);
        assert_int_equal(unlink(config), 0);
        assert_int_equal(rmdir(elsewhere), 0);
}

/* What has no Ethernet header is not misread. */
static void test_tunnel(void **state) {
        Error e = ERROR_INIT;

        if (filter_net_run(&net, false, "ip tuntap add dev t0 mode tun") != 0) {
                printf("no tunnel can be made here\n");
                return;
        }
        assert_int_equal(filter_attach(if_nametoindex("t0"), &always_0.model, NULL, &f, &e),
                         -EOPNOTSUPP);
        assert_non_null(strstr(e.text, "no Ethernet header"));
        assert_int_equal(filter_net_run(&net, false, "ip link del t0"), 0);
        e = ERROR_INIT;
        assert_int_equal(filter_attach(if_nametoindex("lo"), &always_0.model, NULL, &f, &e), 0);
}

static void test_memory_is_told(void **state) {
        f = attach(&always_0, false, NULL);
        /* 4096 sources, destinations and flows. */
        assert_true(filter_get_memory(f) > UINT64_C(4096) * (2 * 376 + 104));
        assert_true(filter_get_memory(f) < 64 << 20);
}

/* ---- as a classifier ---- */

/* Frames of all kinds come to the tap before classifiers see them, those of one kind after. */
static void tap_kind(int protocol) {
        struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                      .sll_protocol = htons((uint16_t)protocol),
                                      .sll_ifindex = (int)net.interface};

        assert_int_equal(bind(tap, (struct sockaddr *)&address, sizeof(address)), 0);
        (void)delivered();
}

static size_t send_to_tap(const Frame *frame, size_t n) {
        for (size_t i = 0; i < n; i++)
                assert_int_equal(send(sender, frame->bytes, frame->size, 0), frame->size);
        return delivered();
}

static uint64_t counted_by_tc(struct bpf_object *o, enum filter_verdict verdict, bool dropped) {
        size_t n = (size_t)libbpf_num_possible_cpus();
        struct filter_counters *rows = calloc(n, sizeof(*rows));
        uint32_t slot = FILTER_SLOT_A;
        uint64_t sum = 0;

        assert_non_null(rows);
        assert_int_equal(
                bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(o, "counters"), &slot, rows),
                0);
        for (size_t i = 0; i < n; i++)
                sum += dropped ? rows[i].dropped.packets : rows[i].verdict[verdict].packets;
        free(rows);
        return sum;
}

/* Whoever attaches it sets its map: aikmd does not know classifiers. */
static void set_tc(struct bpf_object *o, uint64_t enforce_until_ns) {
        struct filter_config config = {.enforce_until_ns = enforce_until_ns,
                                       .kill_permille = FILTER_KILL_PERMILLE,
                                       .kill_packets_min = FILTER_KILL_PACKETS_MIN};
        uint32_t zero = 0;

        assert_int_equal(bpf_map_update_elem(bpf_object__find_map_fd_by_name(o, "config"), &zero,
                                             &config, BPF_ANY),
                         0);
}

static void check_tc(struct bpf_object *o) {
        Frame frame = frame_datagram(7), vlan;

        assert_int_equal(send_to_tap(&frame, 50), 50);
        assert_int_equal(counted_by_tc(o, FILTER_MALICIOUS, false), 50);
        assert_int_equal(counted_by_tc(o, FILTER_MALICIOUS, true), 0);
        set_tc(o, boot_ns() + 60 * NSEC_PER_SEC);
        assert_int_equal(send_to_tap(&frame, 50), 0);
        assert_int_equal(counted_by_tc(o, FILTER_MALICIOUS, true), 50);
        /* The kernel has taken the tag off by then. */
        frame_ethernet(&vlan, 0x0800);
        frame_vlan(&vlan, 0x8100, 5);
        frame_ipv4(&vlan, 8, 1, 17, 5);
        frame_udp(&vlan, 1, 2);
        frame_finish(&vlan, 1000);
        assert_int_equal(send_to_tap(&vlan, 20), 0);
        assert_int_equal(counted_by_tc(o, FILTER_MALICIOUS, true), 70);
        set_tc(o, 0);
        assert_int_equal(send_to_tap(&frame, 50), 50);
}

static void test_classifier(void **state) {
        LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)net.interface,
                    .attach_point = BPF_TC_INGRESS);
        LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);
        struct bpf_object *o = bpf_object__open_mem(always_1_tc.object, always_1_tc.size, NULL);
        int r;

        assert_non_null(o);
        assert_int_equal(bpf_object__load(o), 0);
        r = bpf_tc_hook_create(&hook);
        if (r == -EOPNOTSUPP || r == -ENOENT) {
                printf("the kernel has no clsact: only loaded\n");
                bpf_object__close(o);
                return;
        }
        assert_int_equal(r, 0);
        opts.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(o, "filter_tc"));
        assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
        tap_kind(ETH_P_IP);
        check_tc(o);
        tap_kind(ETH_P_ALL);
        hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
        assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
        bpf_object__close(o);
}

/* ---- a flood, and people who want to work meanwhile ---- */

static FilterExplanation explain(const Filter *filter, const char *address) {
        FilterExplanation x;
        Error e = ERROR_INIT;
        FilterPrefix p;

        assert_int_equal(filter_prefix_parse(address, &p, &e), 0);
        assert_int_equal(filter_explain(filter, p.address, boot_ns(), &x, &e), 0);
        return x;
}

static void check_flood(bool generic) {
        FilterExplanation bad, good;
        struct filter_counters c;
        FilterLoads loads;
        int lost;

        /* With the kill switch that it has by default. */
        f = attach(&syn_flood, generic, NULL);
        assert_int_equal(filter_set_kill_switch(f, FILTER_KILL_PERMILLE, FILTER_KILL_PACKETS_MIN),
                         0);
        filter_set_enforce(f, FILTER_FOREVER);
        assert_int_equal(filter_loads_serve(&loads, &net), 0);
        assert_int_equal(filter_loads_flood(&loads, sender), 0);
        while (counters(f).dropped.packets == 0)
                nap(1000);
        assert_int_equal(filter_loads_work(&loads), 0);
        lost = filter_loads_wait(&loads);
        filter_loads_done(&loads);
        assert_int_equal(lost, 0);
        bad = explain(f, FLOOD_SOURCE);
        good = explain(f, BENIGN_SOURCE);
        c = counters(f);
        printf("%s: flood %llu packets, %llu dropped; benign %llu packets, %llu dropped\n",
               generic ? "generic" : "native", (unsigned long long)bad.source.packets,
               (unsigned long long)bad.source.dropped, (unsigned long long)good.source.packets,
               (unsigned long long)good.source.dropped);
        assert_true(good.source.packets > PAGES * 5 + KEYS);
        assert_int_equal(good.source.malicious, 0);
        assert_int_equal(good.source.dropped, 0);
        assert_int_equal(c.dropped.packets, bad.source.dropped);
        /* All but the first hundred, until it was known as one. */
        assert_true(bad.source.packets > 1000);
        assert_true(bad.source.packets - bad.source.dropped <= 101);
}

static void test_syn_flood_native(void **state) {
        check_flood(false);
}

static void test_syn_flood_generic(void **state) {
        check_flood(true);
}

static int let_go(void **state) {
        f = filter_free(f);
        return filter_clear(pin_dir, NULL);
}

static int set_up(const char *folder) {
        int r;

        r = subject_load(folder, "always-0", 1, &always_0);
        if (r >= 0)
                r = subject_load(folder, "always-1", 2, &always_1);
        if (r >= 0)
                r = subject_load(folder, "always-1-tc", 3, &always_1_tc);
        if (r >= 0)
                r = subject_load(folder, "syn-flood", 4, &syn_flood);
        if (r >= 0)
                r = filter_net_set_up(&net);
        if (r != 0)
                return r;
        sender = filter_net_packet_socket(&net, true);
        tap = filter_net_packet_socket(&net, false);
        (void)snprintf(pin_dir, sizeof(pin_dir), "%s/filter", net.bpffs);
        return sender < 0 || tap < 0 ? -EIO : 0;
}

static void tear_down(void) {
        filter_net_tear_down(&net);
        subject_done(&always_0);
        subject_done(&always_1);
        subject_done(&always_1_tc);
        subject_done(&syn_flood);
}

#define TEST(t) cmocka_unit_test_teardown(t, let_go)

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(test_native),
                TEST(test_generic),
                TEST(test_kill_switch),
                TEST(test_allow_list),
                TEST(test_unpinned_ends_with_its_owner),
                TEST(test_two_filters_on_one_interface),
                TEST(test_hot_swap),
                TEST(test_pinned_outlives_its_loader),
                TEST(test_generic_is_told_after_adoption),
                TEST(test_pins_in_pieces),
                TEST(test_interface_that_went_away),
                TEST(test_folder_that_is_no_bpffs),
                TEST(test_folder_of_somebody_else),
                TEST(test_tunnel),
                TEST(test_memory_is_told),
                TEST(test_classifier),
                TEST(test_syn_flood_native),
                TEST(test_syn_flood_generic),
        };
        int r;

        if (argc != 2) {
                fprintf(stderr, "usage: filter OBJECT-FOLDER\n");
                return 2;
        }
        r = set_up(argv[1]);
        if (r == 0)
                r = cmocka_run_group_tests(tests, NULL, NULL);
        else
                r = r > 0 ? SKIPPED : 1;
        tear_down();
        return r;
}
