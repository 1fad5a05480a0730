/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int program_find(const char *variable, const char *const *places, size_t n_places, char *ret,
                 size_t size) {
        const char *given = secure_getenv(variable);
        char self[4096], *slash;
        ssize_t n;

        if (given && given[0]) {
                snprintf(ret, size, "%s", given);
                return access(ret, X_OK) < 0 ? -errno : 0;
        }
        n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        if (n < 0)
                return -errno;
        self[n] = '\0';
        slash = strrchr(self, '/');
        if (!slash)
                return -ENOENT;
        *slash = '\0';
        for (size_t i = 0; i < n_places; i++) {
                int k = snprintf(ret, size, "%s/%s", self, places[i]);

                if (k > 0 && (size_t)k < size && access(ret, X_OK) >= 0)
                        return 0;
        }
        return -ENOENT;
}
