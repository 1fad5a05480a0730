/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/train/split.h"

#include "models/train/json-file.h"
#include "util/hash.h"

static const char *const side_names[_SIDE_COUNT] = {"train", "validation", "test"};

const char *side_to_string(Side s) {
        return side_names[s];
}

void split_done(Split *s) {
        free(s->entries);
        *s = SPLIT_INIT;
}

static int split_add(Split *s, const char *path, const char *program, Side side, Error *e) {
        SplitEntry *entries;
        int r;

        if (!program_name_is_valid(program))
                return error_set(e, -EINVAL, "%s: %s: '%.60s' is not a program name", path,
                                 side_names[side], program);
        r = split_side(s, program);
        if (r >= 0)
                return error_set(e, -EINVAL, "%s: program '%s' is in '%s' and in '%s'", path,
                                 program, side_names[r], side_names[side]);
        entries = reallocarray(s->entries, s->n + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        s->entries = entries;
        entries[s->n] = (SplitEntry){.side = side};
        snprintf(entries[s->n].program, sizeof(entries[s->n].program), "%s", program);
        s->n++;
        return 0;
}

static int split_add_list(Split *s, const char *path, Side side, json_object *list, Error *e) {
        int r;

        if (!json_object_is_type(list, json_type_array))
                return error_set(e, -EINVAL, "%s: '%s' is not a list of programs", path,
                                 side_names[side]);
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                json_object *name = json_object_array_get_idx(list, i);

                if (!json_object_is_type(name, json_type_string))
                        return error_set(e, -EINVAL, "%s: '%s' holds something that is no string",
                                         path, side_names[side]);
                r = split_add(s, path, json_object_get_string(name), side, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int split_read(const char *path, Split *ret, Error *e) {
        _cleanup_(split_done)
        Split s = SPLIT_INIT;
        _cleanup_json_ json_object *o = NULL;
        int r;

        r = json_file_read(path, &o, e);
        if (r < 0)
                return r;
        json_object_object_foreach(o, key, value) {
                size_t side = 0;

                while (side < _SIDE_COUNT && !streq(key, side_names[side]))
                        side++;
                if (side == _SIDE_COUNT)
                        return error_set(e, -EINVAL,
                                         "%s: unknown key '%.40s', expected train, validation and "
                                         "test",
                                         path, key);
                r = split_add_list(&s, path, (Side)side, value, e);
                if (r < 0)
                        return r;
        }
        for (size_t side = 0; side < _SIDE_COUNT; side++)
                if (!json_object_object_get_ex(o, side_names[side], NULL))
                        return error_set(e, -EINVAL, "%s: '%s' is missing", path, side_names[side]);
        *ret = s;
        s = SPLIT_INIT;
        return 0;
}

int split_side(const Split *s, const char *program) {
        for (size_t i = 0; i < s->n; i++)
                if (streq(s->entries[i].program, program))
                        return (int)s->entries[i].side;
        return -ENOENT;
}

int split_check(const Split *s, const RowTable *t, Error *e) {
        for (size_t i = 0; i < t->n; i++)
                if (split_side(s, t->rows[i].program) < 0)
                        return error_set(e, -EINVAL,
                                         "program '%s' has rows but is in none of train, "
                                         "validation and test",
                                         t->rows[i].program);
        return 0;
}

/* ---- a split by hash ---- */

typedef struct Candidate {
        SplitEntry entry;
        uint64_t hash;
        unsigned classes; /* a bit each that it has rows of */
} Candidate;

static int compare_candidates(const void *a, const void *b) {
        const Candidate *x = a, *y = b;

        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return strcmp(x->entry.program, y->entry.program);
}

static int compare_programs(const void *a, const void *b) {
        return strcmp(((const Candidate *)a)->entry.program, ((const Candidate *)b)->entry.program);
}

/* The programs of the table, by name, then by hash. */
static int list_programs(const RowTable *t, Candidate **ret, size_t *ret_n) {
        Candidate *list = NULL;
        size_t n = 0, size = 0;

        for (size_t i = 0; i < t->n; i++) {
                const Row *row = &t->rows[i];
                Candidate *c = NULL;

                for (size_t k = n; k-- > 0 && !c;)
                        if (streq(list[k].entry.program, row->program))
                                c = &list[k];
                if (!c) {
                        if (n == size) {
                                Candidate *grown;

                                size = MAX(size * 2, (size_t)64);
                                grown = reallocarray(list, size, sizeof(*list));
                                if (!grown) {
                                        free(list);
                                        return -ENOMEM;
                                }
                                list = grown;
                        }
                        c = &list[n++];
                        *c = (Candidate){
                                .hash = fnv1a64(FNV1A64_INIT, row->program, strlen(row->program))};
                        snprintf(c->entry.program, sizeof(c->entry.program), "%s", row->program);
                }
                if (!row->dormant)
                        c->classes |= 1U << row->label;
        }
        if (n > 0)
                qsort(list, n, sizeof(*list), compare_candidates);
        *ret = list;
        *ret_n = n;
        return 0;
}

static size_t count_with(const Candidate *list, size_t n, size_t class, Side side) {
        size_t found = 0;

        for (size_t i = 0; i < n; i++)
                found += list[i].entry.side == side && (list[i].classes & 1U << class) != 0;
        return found;
}

/* Whether it can change sides without leaving a class of its own without a program there. */
static bool can_leave(const Candidate *list, size_t n, const Candidate *c) {
        for (size_t k = 0; k < _CLASS_COUNT; k++)
                if ((c->classes & 1U << k) && count_with(list, n, k, c->entry.side) < 2)
                        return false;
        return true;
}

/* Brings a program of the class to the side, if there is none. */
static bool balance(Candidate *list, size_t n, size_t class, Side side) {
        if (count_with(list, n, class, side) > 0)
                return true;
        for (size_t i = 0; i < n; i++)
                if ((list[i].classes & 1U << class) && can_leave(list, n, &list[i])) {
                        list[i].entry.side = side;
                        return true;
                }
        return false;
}

int split_set(Split *s, const char *program, Side side) {
        SplitEntry *entries;

        for (size_t i = 0; i < s->n; i++)
                if (streq(s->entries[i].program, program)) {
                        s->entries[i].side = side;
                        return 0;
                }
        entries = reallocarray(s->entries, s->n + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        s->entries = entries;
        entries[s->n] = (SplitEntry){.side = side};
        snprintf(entries[s->n].program, sizeof(entries[s->n].program), "%s", program);
        s->n++;
        return 0;
}

int split_make(const RowTable *t, bool every_class, Split *ret, Error *e) {
        _cleanup_free_
        Candidate *list = NULL;
        size_t n, validate;
        Split s = SPLIT_INIT;
        int r;

        r = list_programs(t, &list, &n);
        if (r < 0)
                return r;
        validate = (n + 4) / 5;
        for (size_t i = 0; i < n; i++)
                list[i].entry.side = SIDE_TRAIN;
        /* A program that alone has a class stays to teach it. */
        for (size_t i = 0; i < n && validate > 0; i++)
                if (can_leave(list, n, &list[i])) {
                        list[i].entry.side = SIDE_VALIDATION;
                        validate--;
                }
        for (size_t k = 0; k < _CLASS_COUNT; k++) {
                size_t programs = count_with(list, n, k, SIDE_TRAIN) +
                                  count_with(list, n, k, SIDE_VALIDATION);

                if (every_class && programs > 0 &&
                    !(balance(list, n, k, SIDE_VALIDATION) && balance(list, n, k, SIDE_TRAIN)))
                        return error_set(e, -EINVAL,
                                         "class %s has rows of %zu program%s: without a split file "
                                         "there must be enough programs that each class has one to "
                                         "teach and another one to judge",
                                         class_to_string((LoadClass)k), programs,
                                         programs == 1 ? "" : "s");
        }
        if (n > 0)
                qsort(list, n, sizeof(*list), compare_programs);
        s.entries = calloc(MAX(n, (size_t)1), sizeof(*s.entries));
        if (!s.entries)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                s.entries[s.n++] = list[i].entry;
        *ret = s;
        return 0;
}
