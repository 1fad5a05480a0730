/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The text that goes with a negative errno: which file, line or value is wrong, and what is
 * accepted. Functions that meet people's input take an `Error *` (may be NULL) beside returning the
 * errno.
 */

#include <stdarg.h>
#include <stdio.h>

#include "util/macro.h"

typedef struct Error {
        char text[512]; /* one line without a final dot or newline; empty: no error */
} Error;

#define ERROR_INIT ((Error){.text = ""})

/* Stores the formatted text where e is set and nothing is stored yet (the first, innermost cause
 * wins); returns r. */
_printf_(3, 4) static inline int error_set(Error *e, int r, const char *format, ...) {
        va_list ap;

        if (!e || e->text[0])
                return r;
        va_start(ap, format);
        vsnprintf(e->text, sizeof(e->text), format, ap);
        va_end(ap);
        return r;
}

/* Puts '?' for whatever is not printable ASCII: for texts that quote a file nobody vouches for. */
static inline void error_clean(Error *e) {
        for (char *p = e->text; *p; p++)
                if (*p < ' ' || *p > '~')
                        *p = '?';
}

/* clang's analyzer does not look into variadic functions: it is told what this one returns. */
#ifdef __clang_analyzer__
#define error_set(e, r, ...) (error_set(e, r, __VA_ARGS__), (r))
#endif
