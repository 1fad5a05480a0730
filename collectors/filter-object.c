/* SPDX-License-Identifier: GPL-2.0-or-later */

/* From an object file to a loaded program: what it must be made for, and which maps it gets. */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>

#include "collectors/bpf-support.h"
#include "collectors/bpf/filter-track.h"
#include "collectors/filter-internal.h"

#define PROGRAM_NAME "filter_xdp"

const char *const filter_map_names[FILTER_MAP_COUNT] = {
#define X(id, name) [FILTER_MAP_##id] = #name,
        FILTER_MAPS(X)
#undef X
};

typedef struct MapShape {
        enum bpf_map_type type;
        uint32_t key_size;
        uint32_t value_size;
} MapShape;

static const MapShape shapes[FILTER_MAP_COUNT] = {
        [FILTER_MAP_CONFIG] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct filter_config)},
        [FILTER_MAP_STATE] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct filter_state)},
        [FILTER_MAP_COUNTERS] = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct filter_counters)},
        [FILTER_MAP_PROGRAMS] = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct filter_program)},
        [FILTER_MAP_ALLOW] = {BPF_MAP_TYPE_LPM_TRIE, sizeof(struct filter_prefix), 4},
        [FILTER_MAP_SOURCES] = {BPF_MAP_TYPE_LRU_HASH, sizeof(struct filter_address),
                                sizeof(struct filter_host)},
        [FILTER_MAP_DESTINATIONS] = {BPF_MAP_TYPE_LRU_HASH, sizeof(struct filter_address),
                                     sizeof(struct filter_host)},
        [FILTER_MAP_FLOWS] = {BPF_MAP_TYPE_LRU_HASH, sizeof(struct filter_flow_key),
                              sizeof(struct filter_flow)},
        [FILTER_MAP_SAMPLES] = {BPF_MAP_TYPE_RINGBUF, 0, 0},
};

static void bpf_object_closep(struct bpf_object **o) {
        if (*o)
                bpf_object__close(*o);
}

/* A section that is one struct: its content before the program is loaded. NULL: it has none. */
static void *section(const struct bpf_object *o, const char *name, size_t size) {
        const struct bpf_map *m = bpf_object__find_map_by_name(o, name);
        size_t has = 0;
        void *data = m ? (void *)bpf_map__initial_value((struct bpf_map *)m, &has) : NULL;

        return data && has >= size ? data : NULL;
}

static int check_sheet(const struct bpf_object *o, const char *name, struct filter_sheet *ret,
                       Error *e) {
        const struct filter_sheet *sheet = section(o, ".rodata.sheet", sizeof(*sheet));

        if (!sheet || sheet->magic != FILTER_MAGIC)
                return error_set(e, -EINVAL,
                                 "%s: not a filter: it has no sheet (aikm-compile --target xdp "
                                 "makes one that has)",
                                 name);
        if (sheet->layout != FILTER_LAYOUT)
                return error_set(e, -EINVAL,
                                 "%s: made for layout %u of the filter's maps, this is %u: compile "
                                 "it anew",
                                 name, sheet->layout, FILTER_LAYOUT);
        if (sheet->field_hash != PACKET_FIELDS_HASH)
                return error_set(e, -EINVAL,
                                 "%s: made for another table of packet fields (%016llx, this is "
                                 "%016llx): compile it anew",
                                 name, (unsigned long long)sheet->field_hash, PACKET_FIELDS_HASH);
        if (sheet->n_fields == 0 || sheet->n_fields > FILTER_FIELDS_MAX)
                return error_set(e, -EINVAL, "%s: %u fields: 1 to %d are accepted", name,
                                 sheet->n_fields, FILTER_FIELDS_MAX);
        for (uint32_t i = 0; i < sheet->n_fields; i++)
                if (sheet->fields[i] >= PACKET_FIELD_COUNT)
                        return error_set(e, -EINVAL, "%s: field %u has number %u: unknown", name, i,
                                         sheet->fields[i]);
        *ret = *sheet;
        return 0;
}

static int check_maps(const struct bpf_object *o, const char *name, Error *e) {
        for (size_t i = 0; i < FILTER_MAP_COUNT; i++) {
                const struct bpf_map *m = bpf_object__find_map_by_name(o, filter_map_names[i]);
                const MapShape *s = &shapes[i];

                if (!m)
                        return error_set(e, -EINVAL, "%s: has no map %s", name,
                                         filter_map_names[i]);
                if (bpf_map__type(m) != s->type || bpf_map__key_size(m) != s->key_size ||
                    bpf_map__value_size(m) != s->value_size)
                        return error_set(e, -EINVAL, "%s: map %s is of another make", name,
                                         filter_map_names[i]);
        }
        return 0;
}

/* The filter's own program, and no other. */
static int check_programs(struct bpf_object *o, const char *name, struct bpf_program **ret,
                          Error *e) {
        struct bpf_program *p, *found = NULL;

        bpf_object__for_each_program(p, o) {
                if (!streq(bpf_program__name(p), PROGRAM_NAME) ||
                    bpf_program__type(p) != BPF_PROG_TYPE_XDP)
                        return error_set(e, -EINVAL,
                                         "%s: program %s: only an XDP program named %s "
                                         "is accepted",
                                         name, bpf_program__name(p), PROGRAM_NAME);
                found = p;
        }
        if (!found)
                return error_set(e, -EINVAL, "%s: has no program %s", name, PROGRAM_NAME);
        *ret = found;
        return 0;
}

static int set_knobs(const struct bpf_object *o, const FilterModel *model,
                     const FilterOptions *options, enum filter_slot slot, Error *e) {
        struct filter_knobs *knobs = section(o, ".rodata.knobs", sizeof(*knobs));

        if (!knobs)
                return error_set(e, -EINVAL, "%s: has no knobs", model->name);
        knobs->model = model->identity;
        knobs->malicious = model->malicious ? model->malicious : ~UINT64_C(1);
        knobs->slot = (uint32_t)slot;
        knobs->test_clock = options->test_clock;
        return 0;
}

static int set_sizes(const struct bpf_object *o, const FilterOptions *options) {
        const struct {
                FilterMap map;
                uint32_t size;
        } sizes[] = {
                {FILTER_MAP_SOURCES,
                 options->sources_max ? options->sources_max : FILTER_SOURCES_MAX},
                {FILTER_MAP_DESTINATIONS,
                 options->sources_max ? options->sources_max : FILTER_SOURCES_MAX},
                {FILTER_MAP_FLOWS, options->flows_max ? options->flows_max : FILTER_FLOWS_MAX},
                {FILTER_MAP_ALLOW, options->allow_max ? options->allow_max : FILTER_ALLOW_MAX},
                {FILTER_MAP_SAMPLES, options->ring_size ? options->ring_size : FILTER_RING_SIZE},
        };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                struct bpf_map *m = bpf_object__find_map_by_name(o, filter_map_names[sizes[i].map]);
                int r = bpf_map__set_max_entries(m, sizes[i].size);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int reuse_maps(const struct bpf_object *o, const Filter *f) {
        for (size_t i = 0; i < FILTER_MAP_COUNT; i++) {
                struct bpf_map *m = bpf_object__find_map_by_name(o, filter_map_names[i]);
                int r = bpf_map__reuse_fd(m, f->map_fds[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int keep_maps(const struct bpf_object *o, Filter *f) {
        for (size_t i = 0; i < FILTER_MAP_COUNT; i++) {
                const struct bpf_map *m = bpf_object__find_map_by_name(o, filter_map_names[i]);

                f->map_fds[i] = fcntl(bpf_map__fd(m), F_DUPFD_CLOEXEC, 3);
                if (f->map_fds[i] < 0)
                        return -errno;
        }
        return 0;
}

/* Which program has that slot from now on: written before it gets to work. */
static int book(const Filter *f, const FilterModel *model, const struct filter_sheet *sheet,
                enum filter_slot slot, int program_fd) {
        struct filter_program row = {.model = model->identity, .sheet = *sheet};
        struct bpf_prog_info info = {0};
        uint32_t size = sizeof(info), key = (uint32_t)slot;

        if (bpf_obj_get_info_by_fd(program_fd, &info, &size) < 0)
                return -errno;
        row.id = info.id;
        return bpf_map_update_elem(f->map_fds[FILTER_MAP_PROGRAMS], &key, &row, BPF_ANY) < 0
                       ? -errno
                       : 0;
}

static int load(Filter *f, struct bpf_object *o, const FilterModel *model,
                const FilterOptions *options, const struct filter_sheet *sheet,
                const struct bpf_program *p, enum filter_slot slot, int *ret_fd) {
        bool again = f->map_fds[0] >= 0;
        _cleanup_close_
        int fd = -EBADF;
        int r;

        r = again ? reuse_maps(o, f) : set_sizes(o, options);
        if (r >= 0)
                r = bpf_object__load(o);
        if (r >= 0 && !again)
                r = keep_maps(o, f);
        if (r < 0)
                return r;
        fd = fcntl(bpf_program__fd(p), F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        r = book(f, model, sheet, slot, fd);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int filter_object_load(Filter *f, const FilterModel *model, const FilterOptions *options,
                       enum filter_slot slot, int *ret_fd, Error *e) {
        LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "filter");
        _cleanup_(bpf_object_closep)
        struct bpf_object *o = NULL;
        struct filter_sheet sheet;
        struct bpf_program *p = NULL;
        int r;

        if (model->identity == 0)
                return error_set(e, -EINVAL, "%s: identity 0 stands for none", model->name);
        bpf_support_capture();
        o = bpf_object__open_mem(model->object, model->size, &opts);
        if (!o) {
                r = -errno;
                if (r == -LIBBPF_ERRNO__FORMAT)
                        return error_set(e, -EINVAL,
                                         "%s: not an eBPF object, or not a whole one (aikm-compile "
                                         "--target xdp makes one)",
                                         model->name);
                (void)bpf_support_finish(r, model->name, e);
                return r == -ENOMEM ? r : -EINVAL;
        }
        r = check_sheet(o, model->name, &sheet, e);
        if (r >= 0)
                r = check_maps(o, model->name, e);
        if (r >= 0)
                r = check_programs(o, model->name, &p, e);
        if (r >= 0)
                r = set_knobs(o, model, options, slot, e);
        if (r < 0)
                return r;
        return bpf_support_finish(load(f, o, model, options, &sheet, p, slot, ret_fd), model->name,
                                  e);
}
