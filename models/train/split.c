/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "models/train/split.h"

#include "models/train/json-file.h"

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
