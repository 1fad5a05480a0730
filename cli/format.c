/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/format.h"

#include <math.h>
#include <stdio.h>

#include "util/macro.h"

static char *scaled(char buffer[FORMAT_MAX], double value, double base, const char *const *units,
                    size_t n_units) {
        size_t i = 0;

        /* What would round to four digits goes to the next unit. */
        while (i + 1 < n_units && value >= (base < 1024 ? 999.5 : 1023.5)) {
                value /= base;
                i++;
        }
        if (i == 0 && value < 9.95 && base < 1024)
                snprintf(buffer, FORMAT_MAX, "%.3g%s", value, units[i]);
        else if (i > 0 && value < 9.95)
                snprintf(buffer, FORMAT_MAX, "%.1f%s", value, units[i]);
        else
                snprintf(buffer, FORMAT_MAX, "%.0f%s", value, units[i]);
        return buffer;
}

char *format_bytes(char buffer[FORMAT_MAX], double bytes) {
        static const char *const units[] = {"B", "K", "M", "G", "T", "P", "E"};

        if (!isfinite(bytes) || bytes < 0)
                bytes = 0;
        return scaled(buffer, bytes, 1024, units, ELEMENTSOF(units));
}

char *format_count(char buffer[FORMAT_MAX], double n) {
        static const char *const units[] = {"", "k", "M", "G", "T"};
        char positive[FORMAT_MAX];

        if (!isfinite(n))
                n = 0;
        if (n >= 0)
                return scaled(buffer, n, 1000, units, ELEMENTSOF(units));
        snprintf(buffer, FORMAT_MAX, "-%.*s", FORMAT_MAX - 2,
                 scaled(positive, -n, 1000, units, ELEMENTSOF(units)));
        return buffer;
}

char *format_duration(char buffer[FORMAT_MAX], usec_t usec) {
        const usec_t minute = 60 * USEC_PER_SEC, hour = 60 * minute, day = 24 * hour;

        if (usec < USEC_PER_MSEC)
                snprintf(buffer, FORMAT_MAX, "%" PRIu64 "us", usec);
        else if (usec < 10 * USEC_PER_MSEC)
                snprintf(buffer, FORMAT_MAX, "%" PRIu64 ".%" PRIu64 "ms", usec / 1000,
                         usec / 100 % 10);
        else if (usec < USEC_PER_SEC)
                snprintf(buffer, FORMAT_MAX, "%" PRIu64 "ms", usec / 1000);
        else if (usec < 10 * USEC_PER_SEC)
                snprintf(buffer, FORMAT_MAX, "%" PRIu64 ".%" PRIu64 "s", usec / USEC_PER_SEC,
                         usec / 100000 % 10);
        else if (usec < minute)
                snprintf(buffer, FORMAT_MAX, "%" PRIu64 "s", usec / USEC_PER_SEC);
        else if (usec < hour)
                snprintf(buffer, FORMAT_MAX, "%" PRIu64 "min %" PRIu64 "s", usec / minute,
                         usec % minute / USEC_PER_SEC);
        else if (usec < day)
                snprintf(buffer, FORMAT_MAX, "%" PRIu64 "h %" PRIu64 "min", usec / hour,
                         usec % hour / minute);
        else
                snprintf(buffer, FORMAT_MAX, "%" PRIu64 "d %" PRIu64 "h", usec / day,
                         usec % day / hour);
        return buffer;
}

char *format_share(char buffer[FORMAT_MAX], double share) {
        double percent = isfinite(share) ? share * 100 : 0;

        if (percent > 0 && percent < 0.05)
                snprintf(buffer, FORMAT_MAX, "<0.1%%");
        else if (percent > 0 && percent < 9.95)
                snprintf(buffer, FORMAT_MAX, "%.1f%%", percent);
        else
                snprintf(buffer, FORMAT_MAX, "%.0f%%", MAX(percent, 0.0));
        return buffer;
}

char *format_age(char buffer[FORMAT_MAX], usec_t at, usec_t now) {
        char age[FORMAT_MAX];

        if (at > now)
                snprintf(buffer, FORMAT_MAX, "in the future");
        else
                snprintf(buffer, FORMAT_MAX, "%.*s ago", FORMAT_MAX - 5,
                         format_duration(age, now - at));
        return buffer;
}

void format_bar(char *buffer, unsigned size, double share, unsigned cells, bool utf8) {
        const char *full = utf8 ? "█" : "#", *empty = utf8 ? "░" : ".";
        unsigned filled = (unsigned)(CLAMP(isfinite(share) ? share : 0, 0.0, 1.0) * cells + 0.5);
        size_t n = 0;

        for (unsigned i = 0; i < cells; i++) {
                const char *cell = i < filled ? full : empty;
                size_t k = strlen(cell);

                if (n + k >= size)
                        break;
                memcpy(buffer + n, cell, k);
                n += k;
        }
        if (size > 0)
                buffer[n] = '\0';
}
