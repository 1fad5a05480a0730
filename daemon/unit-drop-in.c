/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/unit-drop-in.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "util/io.h"

#define FILE_MAX 4096 /* systemd's have about 150 bytes */

/* Users own what is below run/user/UID: no link of theirs is followed, no pipe of theirs opened. */
static int open_folder(int root_fd, const UnitName *unit, bool transient, int *ret_parent) {
        bool user = unit->owner != UNIT_OWNER_MACHINE;
        char base[64] = "run/systemd", path[UNIT_NAME_SIZE + 32];
        _cleanup_close_
        int base_fd = -EBADF, parent = -EBADF;
        int fd;

        if (user)
                (void)snprintf(base, sizeof(base), "run/user/%" PRIu32 "/systemd",
                               (uint32_t)unit->owner);
        base_fd = io_open_below(root_fd, base, O_PATH | O_DIRECTORY);
        if (base_fd < 0)
                return base_fd;
        parent = io_open_below(base_fd,
                               transient ? "transient"
                               : user    ? "user.control"
                                         : "system.control",
                               O_RDONLY | O_DIRECTORY);
        if (parent < 0)
                return parent;
        (void)snprintf(path, sizeof(path), "%s.d", unit->name);
        fd = io_open_below(parent, path, O_RDONLY | O_DIRECTORY);
        if (fd >= 0)
                *ret_parent = TAKE_FD(parent);
        return fd;
}

/* Comments, "[Service]", "CPUWeight=20", and nothing else. */
static bool holds_only(char *text, const UnitName *unit, const char *property, const char *value) {
        char section[32], setting[64], *save = NULL;
        int n_sections = 0, n_settings = 0;

        (void)snprintf(section, sizeof(section), "[%s]", unit->section);
        (void)snprintf(setting, sizeof(setting), "%s=%s", property, value);
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                if (line[0] == '#' || line[0] == ';')
                        continue;
                if (streq(line, section))
                        n_sections++;
                else if (n_sections == 1 && streq(line, setting))
                        n_settings++;
                else
                        return false;
        }
        return n_sections == 1 && n_settings == 1;
}

/* 1: the file is there and holds that alone. */
static int look(int folder, const UnitName *unit, const char *file, const char *property,
                const char *value) {
        char text[FILE_MAX];
        _cleanup_close_
        int fd = -EBADF;
        struct stat st;
        ssize_t n;

        fd = io_open_below(folder, file, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size >= FILE_MAX)
                return 0;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        return holds_only(text, unit, property, value);
}

static int visit(int root_fd, const UnitName *unit, const char *property, const char *value,
                 bool transient, bool remove) {
        _cleanup_close_
        int folder = -EBADF, parent = -EBADF;
        char file[64], name[UNIT_NAME_SIZE + 2];
        int r;

        folder = open_folder(root_fd, unit, transient, &parent);
        if (folder < 0)
                return folder;
        (void)snprintf(file, sizeof(file), "50-%s.conf", property);
        r = look(folder, unit, file, property, value);
        if (r <= 0 || !remove)
                return r;
        if (unlinkat(folder, file, 0) < 0)
                return -errno;
        (void)snprintf(name, sizeof(name), "%s.d", unit->name);
        (void)unlinkat(parent, name, AT_REMOVEDIR);
        return 1;
}

static int visit_both(int root_fd, const UnitName *unit, const char *property, const char *value,
                      bool remove) {
        int found = 0;

        for (int transient = 0; transient <= 1; transient++) {
                int r = visit(root_fd, unit, property, value, transient, remove);

                /* A link in the way is none of the manager's making. */
                if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP)
                        return r;
                found = MAX(found, r);
        }
        return found;
}

int unit_drop_in_find(int root_fd, const UnitName *unit, const char *property, const char *value) {
        return visit_both(root_fd, unit, property, value, /* remove= */ false);
}

int unit_drop_in_remove(int root_fd, const UnitName *unit, const char *property,
                        const char *value) {
        return visit_both(root_fd, unit, property, value, /* remove= */ true);
}
