/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What of the filter outlives the process: a folder on a bpffs with its maps and its link. */

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "collectors/bpf/filter-track.h"
#include "collectors/filter-internal.h"

#define LINK_NAME "link"

static int pin_path(const char *pin_dir, const char *name, char path[PATH_MAX], Error *e) {
        int n = snprintf(path, PATH_MAX, "%s/%s", pin_dir, name);

        if (n < 0 || n >= PATH_MAX)
                return error_set(e, -ENAMETOOLONG, "%s: path is too long", pin_dir);
        return 0;
}

static int is_bpffs(const char *path) {
        struct statfs st;

        if (statfs(path, &st) < 0)
                return -errno;
        return st.f_type == BPF_FS_MAGIC;
}

static int check_owner(const char *path, bool shared, Error *e) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? -ENOENT
                                       : error_set(e, -errno, "%s: %s", path, strerror(errno));
        if (S_ISDIR(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
            (!(st.st_mode & (S_IWGRP | S_IWOTH)) || (shared && st.st_mode & S_ISVTX)))
                return 0;
        return error_set(e, -EPERM,
                         "%s: not a folder of root's alone: what others may put there is not "
                         "touched",
                         path);
}

/* A bpffs that was mounted by hand is for everybody: a folder that somebody else made there may
 * lead anywhere, and pins are removed by their name. */
static int check_folder(const char *pin_dir, Error *e) {
        char parent[PATH_MAX];
        char *slash;
        int r;

        r = pin_path(pin_dir, "", parent, e);
        if (r < 0)
                return r;
        parent[strlen(pin_dir)] = '\0';
        slash = strrchr(parent, '/');
        if (!slash || slash == parent)
                return error_set(e, -EINVAL, "%s: the path of a folder in a folder is accepted",
                                 pin_dir);
        *slash = '\0';
        r = check_owner(parent, /* shared= */ true, e);
        return r < 0 ? r : check_owner(pin_dir, /* shared= */ false, e);
}

int filter_pin_prepare(const char *pin_dir, Error *e) {
        char path[PATH_MAX];
        int r;

        r = pin_path(pin_dir, LINK_NAME, path, e);
        if (r < 0)
                return r;
        if (mkdir(pin_dir, 0700) < 0 && errno != EEXIST)
                return error_set(e, -errno, "%s: cannot be made: %s", pin_dir, strerror(errno));
        r = check_folder(pin_dir, e);
        if (r < 0)
                return r;
        r = is_bpffs(pin_dir);
        if (r <= 0) {
                (void)rmdir(pin_dir); /* only where it is empty: then it was ours */
                return error_set(e, -EOPNOTSUPP,
                                 "%s: not on a bpffs, which keeps the filter: mount -t bpf bpf "
                                 "/sys/fs/bpf",
                                 pin_dir);
        }
        if (access(path, F_OK) == 0)
                return error_set(e, -EEXIST, "%s: holds a filter already", pin_dir);
        /* What a process left that was stopped while pinning. */
        for (size_t i = 0; i < FILTER_MAP_COUNT; i++)
                if (pin_path(pin_dir, filter_map_names[i], path, NULL) >= 0)
                        (void)unlink(path);
        return 0;
}

int filter_pin(Filter *f, const char *pin_dir, Error *e) {
        char path[PATH_MAX];
        int r;

        for (size_t i = 0; i <= FILTER_MAP_COUNT; i++) {
                bool map = i < FILTER_MAP_COUNT;

                r = pin_path(pin_dir, map ? filter_map_names[i] : LINK_NAME, path, e);
                if (r < 0)
                        return r;
                if (bpf_obj_pin(map ? f->map_fds[i] : f->link_fd, path) < 0)
                        return error_set(e, -errno, "%s: cannot be pinned: %s", path,
                                         strerror(errno));
        }
        return 0;
}

int filter_unpin(const char *pin_dir, Error *e) {
        char path[PATH_MAX];
        int r;

        /* The link first: from then on the folder holds no filter. */
        for (size_t i = 0; i <= FILTER_MAP_COUNT; i++) {
                r = pin_path(pin_dir, i == 0 ? LINK_NAME : filter_map_names[i - 1], path, e);
                if (r < 0)
                        return r;
                if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
                        return error_set(e, -errno, "%s: cannot be removed: %s", path,
                                         strerror(errno));
        }
        if (rmdir(pin_dir) < 0 && errno != ENOENT)
                return error_set(e, -errno, "%s: cannot be removed: %s", pin_dir, strerror(errno));
        return 0;
}

static int open_pin(const char *pin_dir, const char *name, int *ret, Error *e) {
        char path[PATH_MAX];
        int r;

        r = pin_path(pin_dir, name, path, e);
        if (r < 0)
                return r;
        r = bpf_obj_get(path);
        if (r < 0)
                return errno == ENOENT ? -ENOENT
                                       : error_set(e, -errno, "%s: %s", path, strerror(errno));
        *ret = r;
        return 0;
}

int filter_clear(const char *pin_dir, Error *e) {
        _cleanup_close_
        int fd = -EBADF;
        int r;

        r = check_folder(pin_dir, e);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = open_pin(pin_dir, LINK_NAME, &fd, e);
        if (r < 0 && r != -ENOENT)
                return r;
        /* A link whose interface is gone has nothing left to detach. */
        if (fd >= 0 && bpf_link_detach(fd) < 0 && errno != ENOLINK && errno != EINVAL &&
            errno != ENODEV)
                return error_set(e, -errno, "%s: cannot be detached: %s", pin_dir, strerror(errno));
        return filter_unpin(pin_dir, e);
}

static int open_maps(Filter *f, Error *e) {
        for (size_t i = 0; i < FILTER_MAP_COUNT; i++) {
                int r = open_pin(f->pin_dir, filter_map_names[i], &f->map_fds[i], e);

                if (r == -ENOENT)
                        return error_set(e, -ESTALE, "%s: has no map %s", f->pin_dir,
                                         filter_map_names[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Sizes before contents: config and state are read in place. */
static int check_map_sizes(const Filter *f, Error *e) {
        static const struct {
                FilterMap map;
                uint32_t value_size;
        } wanted[] = {
                {FILTER_MAP_CONFIG, sizeof(struct filter_config)},
                {FILTER_MAP_STATE, sizeof(struct filter_state)},
                {FILTER_MAP_COUNTERS, sizeof(struct filter_counters)},
                {FILTER_MAP_PROGRAMS, sizeof(struct filter_program)},
                {FILTER_MAP_SOURCES, sizeof(struct filter_host)},
                {FILTER_MAP_DESTINATIONS, sizeof(struct filter_host)},
                {FILTER_MAP_FLOWS, sizeof(struct filter_flow)},
        };

        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                struct bpf_map_info info = {0};
                uint32_t size = sizeof(info);

                if (bpf_obj_get_info_by_fd(f->map_fds[wanted[i].map], &info, &size) < 0)
                        return error_set(e, -errno, "%s/%s: %s", f->pin_dir,
                                         filter_map_names[wanted[i].map], strerror(errno));
                if (info.value_size != wanted[i].value_size)
                        return error_set(e, -ESTALE, "%s: map %s is of another layout", f->pin_dir,
                                         filter_map_names[wanted[i].map]);
        }
        return 0;
}

/* How an earlier process attached it: the interface knows. The link's may be in another network
 * namespace by now, and its number that of another one here. */
static int find_path(Filter *f, uint32_t program, Error *e) {
        LIBBPF_OPTS(bpf_xdp_query_opts, query);

        f->path = FILTER_GENERIC;
        if (!if_indextoname(f->interface, f->name))
                return errno != ENXIO ? 0
                                      : error_set(e, -ESTALE,
                                                  "%s: its interface is gone, or in another "
                                                  "network namespace",
                                                  f->pin_dir);
        if (bpf_xdp_query((int)f->interface, 0, &query) < 0)
                return 0;
        if (query.drv_prog_id == program)
                f->path = FILTER_NATIVE;
        else if (query.skb_prog_id != program && query.hw_prog_id != program)
                return error_set(e, -ESTALE, "%s: its interface is in another network namespace",
                                 f->pin_dir);
        return 0;
}

/* Which of the two slots the link runs. */
static int find_slot(Filter *f, Error *e) {
        uint32_t id;
        int r;

        r = filter_link_info(f->link_fd, &id, &f->interface);
        if (r < 0)
                return error_set(e, r, "%s: link: %s", f->pin_dir, strerror(-r));
        if (f->interface == 0)
                return error_set(e, -ESTALE,
                                 "%s: its interface is gone, or somebody else detached it",
                                 f->pin_dir);
        for (enum filter_slot slot = FILTER_SLOT_A; slot < FILTER_SLOT_COUNT; slot++) {
                struct filter_program row;

                r = filter_get_program(f, slot, &row, e);
                if (r < 0)
                        return r;
                if (row.id == id) {
                        f->slot = slot;
                        return find_path(f, id, e);
                }
        }
        return error_set(e, -ESTALE, "%s: runs a program of somebody else", f->pin_dir);
}

int filter_adopt(const char *pin_dir, Filter **ret, Error *e) {
        _cleanup_(filter_freep)
        Filter *f = filter_new();
        int r;

        if (!f)
                return -ENOMEM;
        f->pin_dir = strdup(pin_dir);
        if (!f->pin_dir)
                return -ENOMEM;
        r = check_folder(pin_dir, e);
        if (r >= 0)
                r = open_pin(pin_dir, LINK_NAME, &f->link_fd, e);
        if (r == -ENOENT)
                return error_set(e, r, "%s: holds no filter", pin_dir);
        if (r >= 0)
                r = open_maps(f, e);
        if (r >= 0)
                r = check_map_sizes(f, e);
        if (r >= 0)
                r = filter_map_pages(f, e);
        if (r < 0)
                return r;
        if (f->config->layout != FILTER_LAYOUT || f->config->field_hash != PACKET_FIELDS_HASH)
                return error_set(e, -ESTALE, "%s: is of another version", pin_dir);
        r = find_slot(f, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}
