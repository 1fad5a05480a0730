/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "policy/verdict.h"
#include "util/macro.h"

static const struct {
        const char *name, *sentence;
} verdict_table[_VERDICT_COUNT] = {
#define X(id, n, s) [VERDICT_##id] = {n, s},
        AIKM_VERDICTS(X)
#undef X
};

const char *verdict_to_string(Verdict v) {
        return (size_t)v < ELEMENTSOF(verdict_table) ? verdict_table[v].name : NULL;
}

const char *verdict_sentence(Verdict v) {
        return (size_t)v < ELEMENTSOF(verdict_table) ? verdict_table[v].sentence : NULL;
}
