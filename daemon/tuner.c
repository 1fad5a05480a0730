/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "daemon/tuner.h"
#include "util/macro.h"

void tuner_done(Tuner *t) {
        free(t->entries);
        *t = (Tuner){};
}

static bool setting_equal(const TunableSetting *a, const TunableSetting *b) {
        return a->tunable == b->tunable && a->when == b->when && streq(a->value, b->value);
}

int tuner_set_policy(Tuner *t, const Policy *policy) {
        _cleanup_free_
        TunerEntry *entries = NULL;
        size_t n = 0;

        /* calloc(0) may give NULL without being out of memory. */
        entries = calloc(policy->n_tunables + t->n + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        for (; n < policy->n_tunables; n++)
                entries[n].setting = policy->tunables[n];
        for (size_t i = 0; i < t->n; i++) {
                TunerEntry *old = t->entries + i;
                size_t j = 0;

                while (j < policy->n_tunables && !setting_equal(&entries[j].setting, &old->setting))
                        j++;
                if (j < policy->n_tunables) {
                        entries[j] = *old;
                        entries[j].dropped = false;
                        /* Set anew is asked for anew. */
                        entries[j].blocked_until = 0;
                } else if (old->applied) {
                        entries[n] = *old;
                        entries[n++].dropped = true;
                }
        }
        free(t->entries);
        t->entries = TAKE_PTR(entries);
        t->n = n;
        return 0;
}

/* Of several settings of one knob the first whose reason is there counts. */
static bool is_overruled(const Tuner *t, size_t i, const TunerInput *in) {
        for (size_t j = 0; j < i; j++) {
                const TunableSetting *s = &t->entries[j].setting;

                if (!t->entries[j].dropped && s->tunable == t->entries[i].setting.tunable &&
                    (s->when < 0 || in->holds[s->when]))
                        return true;
        }
        return false;
}

/* Two values of one knob at a time would leave the order of putting back to chance. */
static bool is_taken(const Tuner *t, size_t i) {
        for (size_t j = 0; j < t->n; j++)
                if (j != i && t->entries[j].applied &&
                    t->entries[j].setting.tunable == t->entries[i].setting.tunable)
                        return true;
        return false;
}

TunerAction tuner_step(Tuner *t, size_t i, const TunerInput *in) {
        TunerEntry *e = t->entries + i;
        int when = e->setting.when;
        bool overruled = is_overruled(t, i, in);

        if (!e->applied) {
                bool begins = when < 0 || in->begins[when];

                if (!in->allowed || e->dropped || !begins || overruled ||
                    in->at < e->blocked_until || is_taken(t, i))
                        return TUNER_NOTHING;
                e->held_at = in->at;
                return TUNER_SET;
        }
        if (!in->allowed || e->dropped || overruled)
                return TUNER_PUT_BACK;
        if (when < 0 || in->holds[when]) {
                e->held_at = in->at;
                return TUNER_NOTHING;
        }
        return in->at - MIN(in->at, e->held_at) >= in->release_after ? TUNER_PUT_BACK
                                                                     : TUNER_NOTHING;
}

void tuner_note_done(Tuner *t, size_t i, TunerAction action) {
        t->entries[i].applied = action == TUNER_SET;
}

TunerEntry *tuner_find(const Tuner *t, const char *name, const char *value) {
        TunerEntry *found = NULL;

        for (size_t i = 0; i < t->n && !(found && found->applied); i++)
                if (streq(t->entries[i].setting.tunable->name, name) &&
                    streq(t->entries[i].setting.value, value))
                        found = t->entries + i;
        return found;
}
