/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "made-up-root.h"

const char *root_path(const char *root, const char *format, ...) {
        static char path[8][768];
        static unsigned i;
        char *p = path[i++ % 8];
        va_list ap;
        int n = snprintf(p, sizeof(path[0]), "%s/", root);

        va_start(ap, format);
        (void)vsnprintf(p + n, sizeof(path[0]) - (size_t)n, format, ap);
        va_end(ap);
        return p;
}

void root_write(const char *path, const char *text) {
        _cleanup_fclose_
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

bool root_exists(const char *path) {
        struct stat st;

        return lstat(path, &st) == 0;
}
