/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/regret.h"

/* Doubling further would overflow before it means anything. */
#define DOUBLINGS_MAX 20

static bool is_aged(const RegretEntry *e, usec_t at) {
        return !e->name[0] || (at >= e->until && at - e->until >= e->until - e->noted);
}

static bool is_for(const RegretEntry *e, const RegretKey *key) {
        return e->name[0] && e->victim_kind == key->victim_kind && e->kinds & key->kinds &&
               strncmp(e->name, key->name, sizeof(e->name) - 1) == 0;
}

static RegretEntry *find(Regret *r, const RegretKey *key, uint32_t set) {
        for (size_t i = 0; i < REGRET_MAX; i++)
                if (is_for(r->entries + i, key) && r->entries[i].set & set)
                        return r->entries + i;
        return NULL;
}

static RegretEntry *find_room(Regret *r, usec_t at) {
        RegretEntry *soonest = r->entries;

        for (size_t i = 0; i < REGRET_MAX; i++) {
                if (is_aged(r->entries + i, at))
                        return r->entries + i;
                if (r->entries[i].until < soonest->until)
                        soonest = r->entries + i;
        }
        return soonest;
}

usec_t regret_note(Regret *r, const RegretKey *key, uint32_t set, const ImpactSettings *s,
                   usec_t at) {
        RegretEntry *e = find(r, key, set);
        usec_t span;

        if (!set || !key->name[0])
                return at;
        /* The processes of one experiment fail together: that is one failure. */
        if (e && e->noted == at) {
                e->set |= set;
                return e->until;
        }
        if (e && is_aged(e, at))
                memset(e, 0, sizeof(*e));
        else if (!e)
                e = find_room(r, at);
        if (!e->name[0] || !is_for(e, key))
                memset(e, 0, sizeof(*e));
        memcpy(e->name, key->name, strnlen(key->name, sizeof(e->name) - 1));
        e->kinds |= key->kinds;
        e->victim_kind = key->victim_kind;
        e->set |= set;
        e->times++;
        e->noted = at;
        span = s->remember << MIN(e->times - 1, (uint32_t)DOUBLINGS_MAX);
        e->until = at + MIN(span, MAX(s->remember_max, s->remember));
        return e->until;
}

uint32_t regret_blocked(const Regret *r, const RegretKey *key, usec_t at) {
        uint32_t set = 0;

        for (size_t i = 0; i < REGRET_MAX; i++)
                if (is_for(r->entries + i, key) && at < r->entries[i].until)
                        set |= r->entries[i].set;
        return set;
}

void regret_clear(Regret *r, const RegretKey *key, uint32_t set) {
        for (size_t i = 0; i < REGRET_MAX; i++) {
                RegretEntry *e = r->entries + i;

                if (!is_for(e, key))
                        continue;
                e->set &= ~set;
                if (!e->set)
                        memset(e, 0, sizeof(*e));
        }
}

size_t regret_count(const Regret *r, usec_t at) {
        size_t n = 0;

        for (size_t i = 0; i < REGRET_MAX; i++)
                n += r->entries[i].name[0] && at < r->entries[i].until;
        return n;
}
