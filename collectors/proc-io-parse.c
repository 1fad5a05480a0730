/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/proc-io-parse.h"

#include <errno.h>

#include "collectors/text-parse.h"

static bool parse_key(const char *text, const char *key, uint64_t *ret) {
        const char *p = text_find_key(text, key);

        return p && text_parse_u64(&p, ret) >= 0 && *p == '\n';
}

int proc_io_parse(const char *text, ProcIo *ret) {
        ProcIo chars = {}, block = {};

        chars.has_chars = parse_key(text, "rchar:", &chars.rchar) &&
                          parse_key(text, "wchar:", &chars.wchar) &&
                          parse_key(text, "syscr:", &chars.syscr) &&
                          parse_key(text, "syscw:", &chars.syscw);
        block.has_block = parse_key(text, "read_bytes:", &block.read_bytes) &&
                          parse_key(text, "write_bytes:", &block.write_bytes);
        if (!chars.has_chars && !block.has_block)
                return -EBADMSG;
        *ret = chars.has_chars ? chars : (ProcIo){};
        ret->has_block = block.has_block;
        if (block.has_block) {
                ret->read_bytes = block.read_bytes;
                ret->write_bytes = block.write_bytes;
        }
        return 0;
}
