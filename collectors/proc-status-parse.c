/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/proc-status-parse.h"

#include "collectors/text-parse.h"

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* "RssAnon:\t     132 kB" */
static bool parse_memory(const char *text, const char *key, uint64_t *ret) {
        const char *p = text_find_key(text, key);
        uint64_t kib;

        if (!p || text_parse_u64(&p, &kib) < 0 || kib > UINT64_MAX / 1024 ||
            strncmp(p, " kB\n", 4) != 0)
                return false;
        *ret = kib * 1024;
        return true;
}

/* "ff,ffffffff": words of 32 bits, the highest first. The low 64 bits are what is kept. */
static bool parse_mask(const char *p, uint64_t *ret) {
        uint64_t mask = 0;
        size_t n_digits = 0;

        for (; *p && *p != '\n'; p++) {
                int digit = hex_digit(*p);

                if (*p == ',')
                        continue;
                if (digit < 0)
                        return false;
                mask = mask << 4 | (uint64_t)digit;
                n_digits++;
        }
        if (*p != '\n' || n_digits == 0)
                return false;
        *ret = mask;
        return true;
}

static bool parse_key(const char *text, const char *key, uint64_t *ret) {
        const char *p = text_find_key(text, key);

        return p && text_parse_u64(&p, ret) >= 0 && (*p == '\n' || *p == '\t');
}

void proc_status_parse(const char *text, ProcStatus *ret) {
        ProcStatus s = {};
        uint64_t uid;
        const char *mask;

        s.has_uid = parse_key(text, "Uid:", &uid) && uid <= UINT32_MAX;
        if (s.has_uid)
                s.uid = (uint32_t)uid;
        s.has_switches = parse_key(text, "voluntary_ctxt_switches:", &s.nvcsw) &&
                         parse_key(text, "nonvoluntary_ctxt_switches:", &s.nivcsw);
        if (!s.has_switches)
                s.nvcsw = s.nivcsw = 0;
        mask = text_find_key(text, "Cpus_allowed:");
        s.has_cpus = mask && parse_mask(mask, &s.cpus);
        s.has_rss_anon = parse_memory(text, "RssAnon:", &s.rss_anon_bytes);
        *ret = s;
}
