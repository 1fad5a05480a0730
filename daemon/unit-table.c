/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "daemon/unit-table.h"

#define SOFT_FOR (3600 * USEC_PER_SEC)

void unit_table_done(UnitTable *t) {
        free(t->units);
        *t = (UnitTable){};
}

UnitState *unit_table_find(const UnitTable *t, GroupPath path) {
        for (size_t i = 0; i < t->n; i++)
                if (strlen(t->units[i].path) == path.length &&
                    memcmp(t->units[i].path, path.start, path.length) == 0)
                        return t->units + i;
        return NULL;
}

UnitState *unit_table_find_id(const UnitTable *t, uint32_t id) {
        for (size_t i = 0; id > 0 && i < t->n; i++)
                if (t->units[i].id == id)
                        return t->units + i;
        return NULL;
}

UnitState *unit_table_get(UnitTable *t, GroupPath path) {
        UnitState *u = path.length > 0 ? unit_table_find(t, path) : NULL;

        if (u)
                return u;
        if (path.length == 0 || path.length >= sizeof(u->path))
                return NULL;
        if (t->n == t->n_allocated) {
                size_t n = MAX(t->n_allocated * 2, (size_t)8);
                UnitState *units = reallocarray(t->units, n, sizeof(*units));

                if (!units)
                        return NULL;
                t->units = units;
                t->n_allocated = n;
        }
        u = t->units + t->n++;
        memset(u, 0, sizeof(*u));
        u->id = ++t->last_id;
        memcpy(u->path, path.start, path.length);
        return u;
}

void unit_table_sweep(UnitTable *t, usec_t now) {
        for (size_t i = 0; i < t->n;) {
                UnitState *u = t->units + i;

                /* What starved is remembered, so that it is not starved again. */
                bool starved = u->floor.level > 0 && now - u->floor.changed < SOFT_FOR;

                if (u->treatment.set || now < u->blocked_until || starved)
                        i++;
                else
                        *u = t->units[--t->n];
        }
}

void unit_table_unblock(UnitTable *t) {
        for (size_t i = 0; i < t->n; i++)
                if (t->units[i].blocked_until == USEC_INFINITY)
                        t->units[i].blocked_until = 0;
}
