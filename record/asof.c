/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/asof.h"

size_t asof_count_before(const AsofEntry *entries, size_t n, int64_t until) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (entries[middle].at < until)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

ssize_t asof_find(const AsofEntry *entries, size_t n, int64_t key, int64_t at, usec_t tolerance) {
        /* Behind the last entry at or before. */
        size_t end = at == INT64_MAX ? n : asof_count_before(entries, n, at + 1);

        for (size_t i = end; i-- > 0;) {
                if ((uint64_t)at - (uint64_t)entries[i].at > tolerance)
                        return -1;
                if (entries[i].key == key)
                        return (ssize_t)i;
        }
        return -1;
}
