/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/proc-stat-parse.h"

#include <errno.h>

#include "collectors/text-parse.h"

/* The name stands between the first '(' and the last ')', because it may hold both. */
static int parse_comm(const char **p, char *comm, size_t size) {
        const char *open = strchr(*p, '('), *close = strrchr(*p, ')');
        size_t n;

        if (!open || !close || close < open)
                return -EBADMSG;
        n = MIN((size_t)(close - open - 1), size - 1);
        memset(comm, 0, size);
        memcpy(comm, open + 1, n);
        *p = close + 1;
        return 0;
}

/* The numbers 4 to 41, those that are wanted. */
static int parse_fields(const char *p, ProcStat *s) {
        int64_t v[42];

        for (size_t i = 4; i < ELEMENTSOF(v); i++) {
                uint64_t u;

                /* 18..20 and 24 may be negative; masks and addresses (25..) reach 2^64 - 1. */
                if (text_parse_i64(&p, &v[i]) < 0) {
                        if (text_parse_u64(&p, &u) < 0)
                                return -EBADMSG;
                        v[i] = INT64_MAX;
                }
                if (*p != ' ' && *p != '\n' && *p != '\0')
                        return -EBADMSG;
        }
        s->ppid = (int32_t)v[4];
        s->sid = (int32_t)v[6];
        s->tty = (int32_t)v[7];
        s->flags = (uint32_t)v[9];
        s->min_flt = (uint64_t)v[10];
        s->maj_flt = (uint64_t)v[12];
        s->cpu_ticks = (uint64_t)v[14] + (uint64_t)v[15];
        s->system_ticks = (uint64_t)v[15];
        s->child_cpu_ticks = (uint64_t)v[16] + (uint64_t)v[17];
        s->nice = (int32_t)v[19];
        s->n_threads = (uint32_t)v[20];
        s->start = (uint64_t)v[22];
        s->rss_pages = v[24];
        s->policy = (uint32_t)v[41];
        return 0;
}

int proc_stat_parse(const char *text, ProcStat *ret) {
        const char *p = text;
        ProcStat s = {};
        uint64_t pid;
        int r;

        if (text_parse_u64(&p, &pid) < 0 || pid > INT32_MAX)
                return -EBADMSG;
        s.pid = (int32_t)pid;
        r = parse_comm(&p, s.comm, sizeof(s.comm));
        if (r < 0)
                return r;
        if (p[0] != ' ' || p[1] < 'A' || p[1] > 'z')
                return -EBADMSG;
        s.state = p[1];
        r = parse_fields(p + 2, &s);
        if (r < 0)
                return r;
        *ret = s;
        return 0;
}
