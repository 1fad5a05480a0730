/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The traffic filter's life: attach, swap, let go; and the words that set its mode. */

#include "collectors/filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "collectors/bpf/filter-track.h"
#include "collectors/filter-internal.h"

Filter *filter_new(void) {
        Filter *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        f->link_fd = f->program_fd = -EBADF;
        for (size_t i = 0; i < FILTER_MAP_COUNT; i++)
                f->map_fds[i] = -EBADF;
        return f;
}

Filter *filter_free(Filter *f) {
        if (!f)
                return NULL;
        ring_buffer__free(f->ring);
        if (f->config)
                (void)munmap(f->config, sizeof(*f->config));
        if (f->state)
                (void)munmap(f->state, sizeof(*f->state));
        for (size_t i = 0; i < FILTER_MAP_COUNT; i++)
                closep(&f->map_fds[i]);
        closep(&f->program_fd);
        closep(&f->link_fd);
        free(f->pin_dir);
        free(f);
        return NULL;
}

int filter_map_pages(Filter *f, Error *e) {
        void *p;

        p = mmap(NULL, sizeof(*f->config), PROT_READ | PROT_WRITE, MAP_SHARED,
                 f->map_fds[FILTER_MAP_CONFIG], 0);
        if (p == MAP_FAILED)
                return error_set(e, -errno, "map config: %s", strerror(errno));
        f->config = p;
        p = mmap(NULL, sizeof(*f->state), PROT_READ | PROT_WRITE, MAP_SHARED,
                 f->map_fds[FILTER_MAP_STATE], 0);
        if (p == MAP_FAILED)
                return error_set(e, -errno, "map state: %s", strerror(errno));
        f->state = p;
        return 0;
}

int filter_link_info(int link_fd, uint32_t *ret_program, unsigned *ret_interface) {
        struct bpf_link_info info = {0};
        uint32_t size = sizeof(info);

        if (bpf_obj_get_info_by_fd(link_fd, &info, &size) < 0)
                return -errno;
        if (info.type != BPF_LINK_TYPE_XDP)
                return -EINVAL;
        *ret_program = info.prog_id;
        *ret_interface = info.xdp.ifindex;
        return 0;
}

static int link_create(Filter *f, uint32_t flags) {
        LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
        int fd = bpf_link_create(f->program_fd, (int)f->interface, BPF_XDP, &opts);

        if (fd < 0)
                return -errno;
        f->link_fd = fd;
        f->path = flags == XDP_FLAGS_DRV_MODE ? FILTER_NATIVE : FILTER_GENERIC;
        return 0;
}

/* The driver's own path where it has one; what another program holds is left to it. */
static int attach(Filter *f, bool generic, Error *e) {
        uint32_t other = 0;
        int r = -EOPNOTSUPP;

        if (!generic)
                r = link_create(f, XDP_FLAGS_DRV_MODE);
        if (r < 0 && r != -EBUSY && r != -EEXIST && r != -EPERM && r != -ENODEV)
                r = link_create(f, XDP_FLAGS_SKB_MODE);
        if (r == -EBUSY || r == -EEXIST) {
                (void)bpf_xdp_query_id((int)f->interface, 0, &other);
                return error_set(
                        e, -EBUSY,
                        "interface %s has another XDP program (id %u), which is left alone",
                        f->name, other);
        }
        if (r < 0)
                return error_set(e, r, "interface %s: XDP cannot be attached: %s", f->name,
                                 strerror(-r));
        return 0;
}

static void set_defaults(Filter *f) {
        struct filter_config *c = f->config;

        c->layout = FILTER_LAYOUT;
        c->field_hash = PACKET_FIELDS_HASH;
        c->kill_permille = FILTER_KILL_PERMILLE;
        c->kill_packets_min = FILTER_KILL_PACKETS_MIN;
}

int filter_load(const FilterModel *model, const FilterOptions *options, Filter **ret, Error *e) {
        static const FilterOptions defaults;
        _cleanup_(filter_freep)
        Filter *f = filter_new();
        int r;

        if (!f)
                return -ENOMEM;
        if (!options)
                options = &defaults;
        f->slot = FILTER_SLOT_A;
        f->test_clock = options->test_clock;
        r = filter_object_load(f, model, options, f->slot, &f->program_fd, e);
        if (r >= 0)
                r = filter_map_pages(f, e);
        if (r < 0)
                return r;
        set_defaults(f);
        *ret = TAKE_PTR(f);
        return 0;
}

/* Without an Ethernet header, as tunnels are, packets would be taken for something else. */
static int check_is_ethernet(const char *name, Error *e) {
        _cleanup_close_
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = {0};

        (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
        if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
                return error_set(e, -errno, "interface %s: %s", name, strerror(errno));
        if (request.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
            request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK)
                return 0;
        return error_set(e, -EOPNOTSUPP,
                         "interface %s: its packets have no Ethernet header (type %u), which the "
                         "filter looks for",
                         name, request.ifr_hwaddr.sa_family);
}

int filter_attach(unsigned interface, const FilterModel *model, const FilterOptions *options,
                  Filter **ret, Error *e) {
        const char *pin_dir = options ? options->pin_dir : NULL;
        _cleanup_(filter_freep)
        Filter *f = NULL;
        char name[IF_NAMESIZE];
        int r;

        if (!if_indextoname(interface, name))
                return error_set(e, -ENODEV, "interface %u: there is none", interface);
        r = check_is_ethernet(name, e);
        if (r < 0)
                return r;
        r = filter_load(model, options, &f, e);
        if (r < 0)
                return r;
        if (pin_dir) {
                r = filter_pin_prepare(pin_dir, e);
                if (r < 0)
                        return r;
        }
        f->interface = interface;
        memcpy(f->name, name, sizeof(f->name));
        r = attach(f, options && options->generic, e);
        if (r >= 0 && pin_dir) {
                f->pin_dir = strdup(pin_dir);
                r = f->pin_dir ? filter_pin(f, pin_dir, e) : -ENOMEM;
        }
        if (r < 0) {
                if (pin_dir)
                        (void)filter_unpin(pin_dir, NULL);
                return r;
        }
        *ret = TAKE_PTR(f);
        return 0;
}

int filter_detach(Filter *f, Error *e) {
        if (f->link_fd >= 0 && bpf_link_detach(f->link_fd) < 0 && errno != ENOLINK &&
            errno != EINVAL && errno != ENODEV)
                return error_set(e, -errno, "interface %s: cannot be detached: %s", f->name,
                                 strerror(errno));
        return f->pin_dir ? filter_unpin(f->pin_dir, e) : 0;
}

/* Returns when no CPU is in the middle of the program before: their packets are then all counted.
 */
static void wait_for_packets_in_flight(void) {
        (void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

int filter_swap(Filter *f, const FilterModel *model, Error *e) {
        enum filter_slot slot = f->slot == FILTER_SLOT_A ? FILTER_SLOT_B : FILTER_SLOT_A;
        FilterOptions options = {.test_clock = f->test_clock};
        _cleanup_close_
        int fd = -EBADF;
        int r;

        r = filter_counters_retire(f, slot, e);
        if (r < 0)
                return r;
        r = filter_object_load(f, model, &options, slot, &fd, e);
        if (r < 0)
                return r;
        if (f->link_fd >= 0 && bpf_link_update(f->link_fd, fd, /* opts= */ NULL) < 0)
                return error_set(e, -errno, "%s: cannot take over: %s", model->name,
                                 strerror(errno));
        wait_for_packets_in_flight();
        closep(&f->program_fd);
        f->program_fd = TAKE_FD(fd);
        f->slot = slot;
        return 0;
}

int filter_run(Filter *f, const void *frame, size_t size, unsigned repeat, bool *ret_dropped,
               uint64_t *ret_ns, Error *e) {
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)size,
                    .repeat = (int)repeat);

        if (f->program_fd < 0)
                return error_set(e, -EBADF, "an adopted filter cannot be run");
        if (bpf_prog_test_run_opts(f->program_fd, &opts) < 0)
                return error_set(e, -errno, "frame of %zu bytes: cannot be run: %s", size,
                                 strerror(errno));
        if (ret_dropped)
                *ret_dropped = opts.retval == XDP_DROP;
        if (ret_ns)
                *ret_ns = opts.duration;
        return 0;
}

static void set_word(__u64 *word, uint64_t value) {
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void filter_set_enforce(Filter *f, uint64_t until_ns) {
        set_word(&f->config->enforce_until_ns, until_ns);
        set_word(&f->state->tripped_ns, 0);
}

int filter_set_kill_switch(Filter *f, uint32_t permille, uint64_t packets_min) {
        if (permille > 1000)
                return -EINVAL;
        __atomic_store_n(&f->config->kill_permille, permille, __ATOMIC_RELEASE);
        set_word(&f->config->kill_packets_min, packets_min);
        return 0;
}

void filter_set_sampling(Filter *f, enum filter_verdict verdict, uint64_t interval_ns) {
        set_word(&f->config->sample_interval_ns[verdict], interval_ns);
        set_word(&f->state->sample_next_ns[verdict], 0);
}

void filter_set_test_clock(Filter *f, uint64_t now_ns) {
        set_word(&f->config->test_clock_ns, now_ns);
}

const char *filter_path_name(FilterPath path) {
        return path == FILTER_NATIVE ? "native" : "generic";
}
