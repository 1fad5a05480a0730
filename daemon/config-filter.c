/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config-filter.h"

#include <errno.h>

#include "collectors/filter.h"
#include "daemon/config-walk.h"
#include "daemon/json.h"
#include "daemon/model-store.h"

#define FILTERS_MAX 64

static int load_interface(const ConfigContext *c, const char *path, const ConfigField *f,
                          void *base, json_object *v) {
        const char *text = config_text(v);

        if (!text || (strlen(text) < f->size && !filter_interface_is_valid(text)))
                return -EINVAL;
        return codec_string.load(c, path, f, base, v);
}

static int load_model(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        const char *text = config_text(v);

        if (!text || (text[0] != '/' && !model_name_is_valid(text)))
                return -EINVAL;
        return codec_string.load(c, path, f, base, v);
}

static json_object *format_text(const ConfigField *f, const void *base) {
        return json_object_new_string(config_field_at_const(f, base));
}

static int load_mode(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                     json_object *v) {
        const char *text = config_text(v);
        int m = text ? filter_mode_from_string(text) : -EINVAL;

        if (m < 0)
                return m;
        *(FilterMode *)config_field_at(f, base) = (FilterMode)m;
        return 0;
}

static json_object *format_mode(const ConfigField *f, const void *base) {
        return json_object_new_string(
                filter_mode_to_string(*(const FilterMode *)config_field_at_const(f, base)));
}

static int load_allow(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        FilterSetting *s = base;
        size_t n;

        if (!json_object_is_type(v, json_type_array))
                return -EINVAL;
        n = json_object_array_length(v);
        if (n > FILTER_SETTING_ALLOW_MAX)
                return config_error(c->source, path, -E2BIG, c->e, "at most %d prefixes",
                                    FILTER_SETTING_ALLOW_MAX);
        for (size_t i = 0; i < n; i++) {
                const char *text = config_text(json_object_array_get_idx(v, i));
                Error inner = ERROR_INIT;
                FilterPrefix p;
                int r;

                if (!text)
                        return -EINVAL;
                r = filter_prefix_parse(text, &p, &inner);
                if (r < 0)
                        return config_error(c->source, path, r, c->e, "%s", inner.text);
                filter_prefix_format(&p, s->allow[i]);
        }
        s->n_allow = n;
        return 0;
}

static json_object *format_allow(const ConfigField *f, const void *base) {
        json_object *a = json_object_new_array();
        const FilterSetting *s = base;

        for (size_t i = 0; a && i < s->n_allow; i++) {
                json_object *text = json_object_new_string(s->allow[i]);

                if (!text || json_object_array_add(a, text) < 0) {
                        json_object_put(text);
                        json_object_put(a);
                        return NULL;
                }
        }
        return a;
}

_Static_assert(FILTER_SETTING_PREFIX_MAX == FILTER_PREFIX_TEXT, "prefixes fit");

static const ConfigCodec codec_interface = {
        .accepted = "the name of a network interface, such as \"eth0\"",
        .is_text = true,
        .load = load_interface,
        .format = format_text,
};
static const ConfigCodec codec_filter_model = {
        .accepted = "the name of a filter's model, or the absolute path of its object",
        .is_text = true,
        .load = load_model,
        .format = format_text,
};
static const ConfigCodec codec_filter_mode = {
        .accepted = "\"off\", \"shadow\" or \"enforce\"",
        .is_text = true,
        .load = load_mode,
        .format = format_mode,
};
static const ConfigCodec codec_allow = {
        .accepted = "a list of prefixes such as [\"192.0.2.0/24\", \"2001:db8::/32\"]",
        .is_list = true,
        .load = load_allow,
        .format = format_allow,
};

#define S(member) offsetof(FilterSetting, member)
static const ConfigField fields[] = {
        {"interface", &codec_interface, S(interface), 0, 0, 0, FILTER_INTERFACE_MAX},
        {"model", &codec_filter_model, S(model), 0, 0, 0, FILTER_MODEL_MAX},
        {"mode", &codec_filter_mode, S(mode), 0, 0, 0, 0},
        {"generic", &codec_switch, S(generic), 0, 0, 0, 0},
        {"kill_share", &codec_float, S(kill_share), 0.001, 1, 0, 0},
        {"kill_min", &codec_u32, S(kill_min), 1, 1e9, 0, 0},
        {"sample_interval", &codec_duration, S(sample_interval), 0, 3600e6, 0, 0},
        {"allow", &codec_allow, 0, 0, 0, 0, 0},
        {0},
};

static int put(const ConfigContext *c, const char *path, Policy *p, const FilterSetting *s) {
        FilterSetting *grown;

        for (size_t i = 0; i < p->n_filters; i++)
                if (streq(p->filters[i].interface, s->interface)) {
                        p->filters[i] = *s;
                        return 0;
                }
        if (p->n_filters == FILTERS_MAX)
                return config_error(c->source, path, -E2BIG, c->e, "at most %d interfaces in all",
                                    FILTERS_MAX);
        grown = reallocarray(p->filters, p->n_filters + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        p->filters = grown;
        p->filters[p->n_filters++] = *s;
        return 0;
}

/* What a later document says of an interface takes the place of what an earlier one said. */
static int load_filters(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                        json_object *v) {
        size_t n;

        if (!json_object_is_type(v, json_type_array))
                return -EINVAL;
        n = json_object_array_length(v);
        for (size_t i = 0; i < n; i++) {
                FilterSetting s = filter_setting_default();
                char child[CONFIG_PATH_SIZE];
                int r;

                snprintf(child, sizeof(child), "%s[%zu]", path, i);
                r = config_object_load(c, child, fields, "", &s, json_object_array_get_idx(v, i));
                if (r >= 0 && !s.interface[0])
                        r = config_error(c->source, child, -EINVAL, c->e,
                                         "an \"interface\" must be named");
                if (r >= 0)
                        r = put(c, child, base, &s);
                if (r < 0)
                        return r;
        }
        return 0;
}

static json_object *format_filters(const ConfigField *f, const void *base) {
        json_object *a = json_object_new_array();
        const Policy *p = base;

        for (size_t i = 0; a && i < p->n_filters; i++) {
                json_object *o = config_object_format(fields, &p->filters[i]);

                if (!o || json_object_array_add(a, o) < 0) {
                        json_object_put(o);
                        json_object_put(a);
                        return NULL;
                }
        }
        return a;
}

static int load_on_stop(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                        json_object *v) {
        const char *text = config_text(v);

        if (!text || (!streq(text, "keep") && !streq(text, "detach")))
                return -EINVAL;
        *(bool *)config_field_at(f, base) = streq(text, "keep");
        return 0;
}

static json_object *format_on_stop(const ConfigField *f, const void *base) {
        return json_object_new_string(*(const bool *)config_field_at_const(f, base) ? "keep"
                                                                                    : "detach");
}

const ConfigCodec codec_filters = {
        .accepted = "a list of interfaces [{\"interface\": \"eth0\", …}]",
        .load = load_filters,
        .format = format_filters,
};
const ConfigCodec codec_filter_on_stop = {
        .accepted = "\"detach\" or \"keep\"",
        .is_text = true,
        .load = load_on_stop,
        .format = format_on_stop,
};
