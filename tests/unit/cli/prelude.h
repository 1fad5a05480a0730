/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What every test here begins with: cmocka and a UTF-8 locale. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <locale.h>

#undef fail /* the client has a function of that name */

static inline int use_utf8(void **state) {
        return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}
