/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/settings.h"

#include <errno.h>

#include "daemon/config.h"

static void setting_done(Setting *s) {
        free(s->key);
        free(s->value);
}

void settings_done(Settings *s) {
        for (size_t i = 0; i < s->n; i++)
                setting_done(&s->items[i]);
        free(s->items);
        *s = SETTINGS_INIT;
}

void settings_drop(Settings *s, const char *key) {
        for (size_t i = 0; i < s->n; i++) {
                if (!streq(s->items[i].key, key))
                        continue;
                setting_done(&s->items[i]);
                s->n--;
                memmove(&s->items[i], &s->items[i + 1], (s->n - i) * sizeof(*s->items));
                return;
        }
}

int settings_put(Settings *s, const char *key, const char *value) {
        Setting *items = reallocarray(s->items, s->n + 1, sizeof(*items)), item;

        if (!items)
                return -ENOMEM;
        s->items = items;
        item = (Setting){.key = strdup(key), .value = strdup(value)};
        if (!item.key || !item.value) {
                setting_done(&item);
                return -ENOMEM;
        }
        settings_drop(s, key);
        s->items[s->n++] = item;
        return 0;
}

int settings_put_text(Settings *s, const char *text, Error *e) {
        const char *equal = strchr(text, '=');
        char key[256];

        if (!equal || equal == text)
                return error_set(e, -EINVAL, "'%s' is not KEY=VALUE", text);
        if ((size_t)(equal - text) >= sizeof(key))
                return error_set(e, -EINVAL, "the key in '%s' is longer than any", text);
        snprintf(key, sizeof(key), "%.*s", (int)(equal - text), text);
        if (settings_put(s, key, equal + 1) < 0)
                return error_set(e, -ENOMEM, "out of memory");
        return 0;
}

int settings_apply(const Settings *s, Policy *p, Error *e) {
        int r;

        for (size_t i = 0; i < s->n; i++) {
                r = config_apply_setting(p, s->items[i].key, s->items[i].value, e);
                if (r < 0)
                        return r;
        }
        return 0;
}
