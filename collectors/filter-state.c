/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the kernel keeps of the filter, read: status, counters, sources, samples. */

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "collectors/filter-internal.h"
#include "collectors/filter-twin.h"
#include "util/io.h"

#define BATCH 1024

const char *filter_reason_text(enum filter_reason reason) {
        static const char *const texts[] = {
#define X(id, words) [FILTER_##id] = words,
                FILTER_REASONS(X)
#undef X
        };

        return (unsigned)reason < FILTER_REASON_COUNT ? texts[reason] : "?";
}

const char *filter_verdict_name(enum filter_verdict verdict) {
        static const char *const names[] = {
                [FILTER_UNKNOWN] = "unknown",
                [FILTER_ALLOWED] = "allowed",
                [FILTER_BENIGN] = "benign",
                [FILTER_MALICIOUS] = "malicious",
        };

        return (unsigned)verdict < FILTER_VERDICT_COUNT ? names[verdict] : "?";
}

static uint64_t word(const __u64 *w) {
        return __atomic_load_n(w, __ATOMIC_ACQUIRE);
}

int filter_get_program(const Filter *f, enum filter_slot slot, struct filter_program *ret,
                       Error *e) {
        uint32_t key = (uint32_t)slot;

        if (bpf_map_lookup_elem(f->map_fds[FILTER_MAP_PROGRAMS], &key, ret) < 0)
                return error_set(e, -errno, "map programs: %s", strerror(errno));
        return 0;
}

int filter_get_status(const Filter *f, uint64_t now_ns, FilterStatus *ret, Error *e) {
        struct filter_program row;
        unsigned interface = 0;
        uint32_t program = 0;
        int r;

        r = filter_get_program(f, f->slot, &row, e);
        if (r < 0)
                return r;
        if (f->link_fd >= 0)
                (void)filter_link_info(f->link_fd, &program, &interface);
        *ret = (FilterStatus){
                .interface = f->interface,
                .path = f->path,
                .attached = interface != 0 && program == row.id,
                .pinned = f->pin_dir != NULL,
                .model = row.model,
                .enforce_until_ns = word(&f->config->enforce_until_ns),
                .tripped_ns = word(&f->state->tripped_ns),
                .trips = word(&f->state->trips),
                .kill_permille = f->config->kill_permille,
                .kill_packets_min = word(&f->config->kill_packets_min),
                .samples_lost = word(&f->state->samples_lost),
                .n_fields = MIN(row.sheet.n_fields, (uint32_t)FILTER_FIELDS_MAX),
        };
        ret->enforcing = ret->enforce_until_ns > now_ns && ret->tripped_ns == 0;
        for (size_t i = 0; i < FILTER_VERDICT_COUNT; i++)
                ret->sample_interval_ns[i] = word(&f->config->sample_interval_ns[i]);
        for (size_t i = 0; i < ret->n_fields; i++)
                ret->fields[i] = row.sheet.fields[i];
        return 0;
}

/* The kernel tells it in no other place. */
static uint64_t map_memory(int fd) {
        static const char key[] = "\nmemlock:";
        char path[64], text[1024];
        const char *at;

        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        if (io_read_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
                return 0;
        at = strstr(text, key);
        return at ? strtoull(at + sizeof(key) - 1, NULL, 10) : 0;
}

uint64_t filter_get_memory(const Filter *f) {
        uint64_t sum = 0;

        for (size_t i = 0; i < FILTER_MAP_COUNT; i++)
                sum += map_memory(f->map_fds[i]);
        return sum;
}

/* All of it is u64. */
static void add(struct filter_counters *sum, const struct filter_counters *c) {
        __u64 *to = (__u64 *)sum;
        const __u64 *from = (const __u64 *)c;

        for (size_t i = 0; i < sizeof(*c) / sizeof(__u64); i++)
                to[i] += from[i];
}

static int lookup_counters(const Filter *f, enum filter_slot slot, size_t n_cpus,
                           struct filter_counters *ret, Error *e) {
        uint32_t key = (uint32_t)slot;

        memset(ret, 0, n_cpus * sizeof(*ret));
        if (bpf_map_lookup_elem(f->map_fds[FILTER_MAP_COUNTERS], &key, ret) < 0)
                return error_set(e, -errno, "map counters: %s", strerror(errno));
        return 0;
}

static int cpu_rows(size_t n, struct filter_counters **ret, size_t *ret_cpus, Error *e) {
        int cpus = libbpf_num_possible_cpus();

        if (cpus < 0)
                return error_set(e, cpus, "number of CPUs: %s", strerror(-cpus));
        *ret = calloc((size_t)cpus * n, sizeof(**ret));
        *ret_cpus = (size_t)cpus;
        return *ret ? 0 : -ENOMEM;
}

int filter_get_counters(const Filter *f, enum filter_slot slot, uint64_t *ret_model,
                        struct filter_counters *ret, Error *e) {
        enum filter_slot first = slot == FILTER_SLOT_COUNT ? FILTER_SLOT_GONE : slot;
        enum filter_slot last = slot == FILTER_SLOT_COUNT ? FILTER_SLOT_B : slot;
        _cleanup_free_
        struct filter_counters *rows = NULL;
        struct filter_counters sum = {0};
        struct filter_program program;
        size_t n_cpus;
        int r;

        r = filter_get_program(f, slot == FILTER_SLOT_COUNT ? f->slot : slot, &program, e);
        if (r >= 0)
                r = cpu_rows(1, &rows, &n_cpus, e);
        if (r < 0)
                return r;
        for (enum filter_slot s = first; s <= last; s++) {
                r = lookup_counters(f, s, n_cpus, rows, e);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < n_cpus; i++)
                        add(&sum, &rows[i]);
        }
        *ret = sum;
        if (ret_model)
                *ret_model = program.model;
        return 0;
}

int filter_counters_retire(Filter *f, enum filter_slot slot, Error *e) {
        uint32_t gone_key = FILTER_SLOT_GONE, slot_key = (uint32_t)slot;
        int fd = f->map_fds[FILTER_MAP_COUNTERS];
        _cleanup_free_
        struct filter_counters *rows = NULL;
        struct filter_counters *gone;
        size_t n_cpus;
        int r;

        r = cpu_rows(2, &rows, &n_cpus, e);
        if (r < 0)
                return r;
        gone = rows + n_cpus;
        r = lookup_counters(f, slot, n_cpus, rows, e);
        if (r >= 0)
                r = lookup_counters(f, FILTER_SLOT_GONE, n_cpus, gone, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_cpus; i++)
                add(&gone[i], &rows[i]);
        memset(rows, 0, n_cpus * sizeof(*rows));
        if (bpf_map_update_elem(fd, &gone_key, gone, BPF_ANY) < 0 ||
            bpf_map_update_elem(fd, &slot_key, rows, BPF_ANY) < 0)
                return error_set(e, -errno, "map counters: %s", strerror(errno));
        return 0;
}

/* Hands every entry of a hash map to visit, a batch at a time. Entries that come and go meanwhile
 * may be missed. */
static int for_each(int fd, size_t key_size, size_t value_size,
                    void (*visit)(const void *key, const void *value, void *userdata),
                    void *userdata) {
        _cleanup_free_
        char *keys = NULL, *values = NULL;
        uint32_t token = 0, capacity = BATCH;
        bool first = true;

        for (;;) {
                uint32_t n = capacity;
                int r = 0;

                if (!keys) {
                        keys = calloc(capacity, key_size);
                        values = calloc(capacity, value_size);
                        if (!keys || !values)
                                return -ENOMEM;
                }
                if (bpf_map_lookup_batch(fd, first ? NULL : &token, &token, keys, values, &n,
                                         /* opts= */ NULL) < 0)
                        r = -errno;
                if (r == -ENOSPC && n == 0 && capacity < 1U << 20) { /* a bucket is larger */
                        capacity *= 2;
                        free(keys);
                        free(values);
                        keys = values = NULL;
                        continue;
                }
                if (r < 0 && r != -ENOENT)
                        return r;
                for (uint32_t i = 0; i < n; i++)
                        visit(keys + i * key_size, values + i * value_size, userdata);
                if (r == -ENOENT)
                        return 0;
                first = false;
        }
}

static void source_fill(FilterSource *s, const void *key, const struct filter_host *h,
                        uint64_t now_ns) {
        *s = (FilterSource){
                .first_ns = h->first_ns,
                .last_ns = h->last_ns,
                .packets = h->packets,
                .bytes = h->bytes,
                .malicious = h->malicious,
                .dropped = h->dropped,
                .class = h->class,
        };
        memcpy(s->address, key, sizeof(s->address));
        filter_twin_source_fields(h, now_ns, s->fields);
}

typedef struct Top {
        FilterSource *sources;
        size_t n;
        size_t max;
        uint64_t now_ns;
} Top;

static bool is_before(const struct filter_host *h, const FilterSource *s) {
        return h->malicious != s->malicious ? h->malicious > s->malicious : h->packets > s->packets;
}

static void top_visit(const void *key, const void *value, void *userdata) {
        const struct filter_host *h = value;
        Top *top = userdata;
        size_t i = top->n;

        if (i == top->max && !is_before(h, &top->sources[i - 1]))
                return;
        while (i > 0 && is_before(h, &top->sources[i - 1]))
                i--;
        if (top->n < top->max)
                top->n++;
        memmove(&top->sources[i + 1], &top->sources[i], (top->n - i - 1) * sizeof(top->sources[0]));
        source_fill(&top->sources[i], key, h, top->now_ns);
}

ssize_t filter_top(const Filter *f, uint64_t now_ns, FilterSource *ret, size_t n, Error *e) {
        Top top = {.sources = ret, .max = n, .now_ns = now_ns};
        int r;

        if (n == 0)
                return 0;
        r = for_each(f->map_fds[FILTER_MAP_SOURCES], sizeof(struct filter_address),
                     sizeof(struct filter_host), top_visit, &top);
        if (r < 0)
                return error_set(e, r, "map sources: %s", strerror(-r));
        return (ssize_t)top.n;
}

typedef struct FlowCount {
        const uint8_t *address;
        size_t n;
} FlowCount;

static void flow_visit(const void *key, const void *value, void *userdata) {
        const struct filter_flow_key *k = key;
        FlowCount *count = userdata;

        count->n += memcmp(&k->low, count->address, sizeof(k->low)) == 0 ||
                    memcmp(&k->high, count->address, sizeof(k->high)) == 0;
}

int filter_explain(const Filter *f, const uint8_t address[16], uint64_t now_ns,
                   FilterExplanation *ret, Error *e) {
        FilterExplanation x = {0};
        FlowCount flows = {.address = address};
        _cleanup_free_
        FilterPrefix *prefixes = NULL;
        struct filter_host host;
        size_t n;
        int r;

        memcpy(x.source.address, address, sizeof(x.source.address));
        if (bpf_map_lookup_elem(f->map_fds[FILTER_MAP_SOURCES], address, &host) >= 0) {
                x.known = true;
                source_fill(&x.source, address, &host, now_ns);
        } else if (errno != ENOENT) {
                return error_set(e, -errno, "map sources: %s", strerror(errno));
        }
        r = filter_allow_list(f, &prefixes, &n, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (filter_prefix_holds(&prefixes[i], address) &&
                    (!x.allowed || prefixes[i].length > x.allowed_by.length)) {
                        x.allowed = true;
                        x.allowed_by = prefixes[i];
                }
        r = for_each(f->map_fds[FILTER_MAP_FLOWS], sizeof(struct filter_flow_key),
                     sizeof(struct filter_flow), flow_visit, &flows);
        if (r < 0)
                return error_set(e, r, "map flows: %s", strerror(-r));
        x.n_flows = flows.n;
        *ret = x;
        return 0;
}

static int on_sample(void *userdata, void *data, size_t size) {
        const Filter *f = userdata;
        const struct filter_sample *sample = data;

        if (size >= sizeof(*sample) && sample->version == FILTER_SAMPLE_VERSION)
                f->callback(sample, f->userdata);
        return 0;
}

int filter_samples_open(Filter *f, filter_sample_t callback, void *userdata, Error *e) {
        f->callback = callback;
        f->userdata = userdata;
        if (f->ring)
                return 0;
        f->ring = ring_buffer__new(f->map_fds[FILTER_MAP_SAMPLES], on_sample, f, /* opts= */ NULL);
        if (!f->ring)
                return error_set(e, -errno, "map samples: %s", strerror(errno));
        return 0;
}

int filter_samples_fd(const Filter *f) {
        return f->ring ? ring_buffer__epoll_fd(f->ring) : -EBADF;
}

int filter_samples_dispatch(Filter *f) {
        return f->ring ? ring_buffer__consume(f->ring) : -EBADF;
}
