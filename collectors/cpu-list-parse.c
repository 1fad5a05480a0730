/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/cpu-list-parse.h"

#include <errno.h>

#include "collectors/text-parse.h"

#define CPUS_MAX 1048576U

int cpu_list_parse(const char *text, uint32_t *ret_n) {
        const char *p = text;
        uint64_t n = 0;

        for (;;) {
                uint64_t first, last;

                if (text_parse_u64(&p, &first) < 0)
                        return -EBADMSG;
                last = first;
                if (*p == '-') {
                        p++;
                        if (text_parse_u64(&p, &last) < 0)
                                return -EBADMSG;
                }
                if (last < first || last >= CPUS_MAX)
                        return -EBADMSG;
                n += last - first + 1;
                if (*p != ',')
                        break;
                p++;
        }
        if (p[strspn(p, " \n")] != '\0' || n > CPUS_MAX)
                return -EBADMSG;
        *ret_n = (uint32_t)n;
        return 0;
}
