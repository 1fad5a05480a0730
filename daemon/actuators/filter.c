/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A traffic filter on an interface, as the folder on the bpffs that it is pinned in: so that a
 * ledger's entry is enough to detach it, whoever put it there and is gone. Attaching needs a model
 * and is filters.c's.
 */

#include <errno.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include "collectors/filter.h"
#include "daemon/actuators/actuator.h"
#include "util/macro.h"

#define BPFFS "/sys/fs/bpf"
#define STALE "stale"

static int filter_probe(ActuatorContext *c, Error *e) {
        struct statfs st;

        if (statfs(BPFFS, &st) < 0)
                return error_set(e, -EOPNOTSUPP, BPFFS ": %m");
        if (st.f_type != BPF_FS_MAGIC)
                return error_set(e, -EOPNOTSUPP, BPFFS " is not a bpffs");
        return 0;
}

static int filter_path(const ActuatorTarget *t, char *ret, size_t size) {
        int n = snprintf(ret, size, "/%s", t->path);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int filter_read(ActuatorContext *c, const ActuatorTarget *t,
                       char value[ACTUATOR_VALUE_MAX]) {
        _cleanup_(filter_freep)
        Filter *f = NULL;
        char path[ACTUATOR_VALUE_MAX];
        int r;

        r = filter_path(t, path, sizeof(path));
        if (r < 0)
                return r;
        r = filter_adopt(path, &f, /* e= */ NULL);
        if (r < 0 && r != -ENOENT && r != -ESTALE)
                return r;
        (void)snprintf(value, ACTUATOR_VALUE_MAX, "%s",
                       r == 0         ? FILTER_VALUE_ATTACHED
                       : r == -ENOENT ? FILTER_VALUE_NONE
                                      : STALE);
        return 0;
}

static int filter_apply(ActuatorContext *c, const ActuatorTarget *t, const char *value) {
        char path[ACTUATOR_VALUE_MAX];
        int r;

        if (!streq(value, FILTER_VALUE_NONE))
                return -EOPNOTSUPP;
        r = filter_path(t, path, sizeof(path));
        return r < 0 ? r : filter_clear(path, /* e= */ NULL);
}

/* Of an interface that is gone, or of another version of ours: its pins are ours to remove. */
static bool filter_is_half_way(const char *value, const char *old) {
        return streq(value, STALE);
}

const Actuator actuator_filter = {
        .name = "filter",
        .what = "traffic filters on network interfaces, by XDP",
        .level = ACTUATOR_MACHINE,
        .probe = filter_probe,
        .read = filter_read,
        .apply = filter_apply,
        .is_half_way = filter_is_half_way,
};
