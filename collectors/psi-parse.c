/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/psi-parse.h"

#include <errno.h>

#include "collectors/text-parse.h"

static int total_of_line(const char *line, const char *end, uint64_t *ret) {
        static const char key[] = " total=";
        const char *p = memmem(line, (size_t)(end - line), key, sizeof(key) - 1);

        if (!p)
                return -EBADMSG;
        p += sizeof(key) - 1;
        return text_parse_u64(&p, ret) < 0 || p != end ? -EBADMSG : 0;
}

int psi_parse(const char *text, Psi *ret) {
        Psi psi = {};
        bool some = false;
        int r;

        for (const char *line = text; *line;) {
                const char *end = line + strcspn(line, "\n");

                if (strncmp(line, "some ", 5) == 0) {
                        r = total_of_line(line, end, &psi.some_total);
                        some = true;
                } else if (strncmp(line, "full ", 5) == 0)
                        r = total_of_line(line, end, &psi.full_total);
                else
                        r = 0;
                if (r < 0)
                        return r;
                line = *end ? end + 1 : end;
        }
        if (!some)
                return -EBADMSG;
        psi.valid = 1;
        *ret = psi;
        return 0;
}
