/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/proc-schedstat-parse.h"

#include <errno.h>

#include "collectors/text-parse.h"

int proc_schedstat_parse(const char *text, ProcSchedstat *ret) {
        const char *p = text;
        ProcSchedstat s;

        if (text_parse_u64(&p, &s.exec_ns) < 0 || text_parse_u64(&p, &s.delay_ns) < 0 ||
            text_parse_u64(&p, &s.timeslices) < 0 || *p != '\n')
                return -EBADMSG;
        *ret = s;
        return 0;
}
