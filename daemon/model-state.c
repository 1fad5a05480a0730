/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/model-state.h"

#include <errno.h>

#include <json-c/json.h>

#include "daemon/json.h"

DEFINE_CLEANUP(json_tokener *, json_tokener_free);

void model_state_choose(ModelState *s, const char *name) {
        if (streq(name, s->current))
                return;
        s->n_history = MIN(s->n_history + 1, MODEL_HISTORY_MAX);
        memmove(s->history[1], s->history[0], (s->n_history - 1) * sizeof(s->history[0]));
        memcpy(s->history[0], s->current, sizeof(s->current));
        snprintf(s->current, sizeof(s->current), "%s", name);
}

void model_state_rollback(ModelState *s) {
        memcpy(s->current, s->history[0], sizeof(s->current));
        s->n_history--;
        memmove(s->history[0], s->history[1], s->n_history * sizeof(s->history[0]));
}

void model_state_forget(ModelState *s, const char *name) {
        size_t n = 0;

        /* Without the one between them, two may be the same: going back is to change something. */
        for (size_t i = 0; i < s->n_history; i++) {
                const char *before = n > 0 ? s->history[n - 1] : s->current;

                if (streq(s->history[i], name) || streq(s->history[i], before))
                        continue;
                if (n != i)
                        memcpy(s->history[n], s->history[i], sizeof(s->history[n]));
                n++;
        }
        s->n_history = n;
}

static int take_name(json_object *value, const char *path, char ret[MODEL_NAME_MAX], Error *e) {
        const char *text = json_object_is_type(value, json_type_string)
                                   ? json_object_get_string(value)
                                   : NULL;

        if (!text || (text[0] && !model_name_is_valid(text)) ||
            strlen(text) != (size_t)json_object_get_string_len(value))
                return error_set(e, -EINVAL, "%s: '%.60s' is not a model's name", path,
                                 text ?: json_object_to_json_string(value));
        snprintf(ret, MODEL_NAME_MAX, "%s", text);
        return 0;
}

int model_state_parse(const char *text, size_t size, const char *path, ModelState *ret, Error *e) {
        _cleanup_(json_tokener_freep)
        json_tokener *tokener = json_tokener_new_ex(4);
        _cleanup_json_ json_object *root = NULL;
        json_object *current, *history;
        ModelState s = {};
        int r;

        if (!tokener)
                return error_set(e, -ENOMEM, "out of memory");
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
        root = json_tokener_parse_ex(tokener, text, (int)size + 1);
        if (!json_object_is_type(root, json_type_object) ||
            !json_object_object_get_ex(root, "current", &current) ||
            !json_object_object_get_ex(root, "history", &history) ||
            !json_object_is_type(history, json_type_array) ||
            json_object_array_length(history) > MODEL_HISTORY_MAX)
                return error_set(e, -EINVAL,
                                 "%s: not {\"current\": NAME, \"history\": [at most %zu NAMES]}",
                                 path, MODEL_HISTORY_MAX);
        r = take_name(current, path, s.current, e);
        for (size_t i = 0; r >= 0 && i < json_object_array_length(history); i++)
                r = take_name(json_object_array_get_idx(history, i), path, s.history[s.n_history++],
                              e);
        if (r >= 0)
                *ret = s;
        return r;
}

char *model_state_format(const ModelState *s) {
        _cleanup_json_ json_object *root = json_object_new_object();
        json_object *history = json_object_new_array();
        char *text = NULL;

        if (!root ||
            json_object_object_add(root, "current", json_object_new_string(s->current)) < 0) {
                json_object_put(history);
                return NULL;
        }
        for (size_t i = 0; i < s->n_history; i++)
                json_object_array_add(history, json_object_new_string(s->history[i]));
        json_object_object_add(root, "history", history);
        if (asprintf(&text, "%s\n", json_object_to_json_string(root)) < 0)
                return NULL;
        return text;
}
