/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/config-json.h"

#include <errno.h>
#include <math.h>

#include "daemon/config-filter.h"
#include "daemon/config-treatment.h"
#include "daemon/config-tunable.h"
#include "daemon/config-value.h"
#include "daemon/config-walk.h"
#include "daemon/json.h"
#include "util/io.h"

#define SCOPE_MAX 256
#define RULES_MAX 4096

static int load_rule_treatment(const ConfigContext *c, const char *path, const ConfigField *f,
                               void *base, json_object *v) {
        Rule *rule = base;

        rule->has_treatment = v != NULL;
        return codec_treatment.load(c, path, f, base, v);
}

static json_object *format_rule_treatment(const ConfigField *f, const void *base) {
        const Rule *rule = base;

        return rule->has_treatment ? codec_treatment.format(f, base) : NULL;
}

static const ConfigCodec codec_rule_treatment = {
        .accepted = "an object {…} or null",
        .load = load_rule_treatment,
        .format = format_rule_treatment,
};

static int load_scope(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        _cleanup_free_
        ScopeEntry *scope = NULL;
        Policy *p = base;
        size_t n;

        if (!json_object_is_type(v, json_type_array))
                return -EINVAL;
        n = json_object_array_length(v);
        if (n > SCOPE_MAX)
                return config_error(c->source, path, -E2BIG, c->e, "at most %d entries", SCOPE_MAX);
        if (n > 0) {
                scope = calloc(n, sizeof(*scope));
                if (!scope)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                const char *text = config_text(json_object_array_get_idx(v, i));
                Error inner = ERROR_INIT;
                int r;

                if (!text)
                        return -EINVAL;
                r = scope_parse(text, &scope[i], &inner);
                if (r < 0)
                        return config_error(c->source, path, r, c->e, "%s",
                                            inner.text[0] ? inner.text : "not a scope");
        }
        free(p->scope);
        p->scope = TAKE_PTR(scope);
        p->n_scope = n;
        return 0;
}

static json_object *format_scope(const ConfigField *f, const void *base) {
        json_object *a = json_object_new_array();
        const Policy *p = base;

        for (size_t i = 0; a && i < p->n_scope; i++) {
                json_object *entry;
                char text[320];

                scope_format(&p->scope[i], text, sizeof(text));
                entry = json_object_new_string(text);
                if (!entry || json_object_array_add(a, entry) < 0) {
                        json_object_put(entry);
                        json_object_put(a);
                        return NULL;
                }
        }
        return a;
}

#define R(member) offsetof(Rule, member), 0, 0, 0, sizeof(((Rule *)NULL)->member)
static const ConfigField rule_fields[] = {
        {"name", &codec_string, R(name)},
        {"match.comm", &codec_string, R(comm)},
        {"match.exe", &codec_string, R(exe)},
        {"match.unit", &codec_string, R(unit)},
        {"match.cgroup", &codec_cgroup, R(cgroup)},
        {"match.uid", &codec_uid, offsetof(Rule, uid), 0, 4294967294.0, 0, 0},
        {"exempt", &codec_bool, R(exempt)},
        {"class", &codec_class, R(load_class)},
        {"treatment", &codec_rule_treatment, R(treatment)},
        {"origin", &codec_string, R(origin)},
        {0},
};

static int rule_load(const ConfigContext *c, const char *path, json_object *o, Rule *ret) {
        Rule rule = {.load_class = -1};
        int r;

        r = config_object_load(c, path, rule_fields, "", &rule, o);
        if (r < 0)
                return r;
        if (!rule.name[0])
                return config_error(c->source, path, -EINVAL, c->e,
                                    "a rule needs a \"name\" that says why it is there");
        if (!rule.comm[0] && !rule.exe[0] && !rule.unit[0] && !rule.cgroup[0] && !rule.has_uid)
                return config_error(
                        c->source, path, -EINVAL, c->e,
                        "rule \"%s\" matches nothing: \"match\" needs at least one of comm, exe, "
                        "unit, cgroup, uid",
                        rule.name);
        if (rule.exempt && (rule.load_class >= 0 || rule.has_treatment))
                return config_error(
                        c->source, path, -EINVAL, c->e,
                        "rule \"%s\" exempts and treats at once: \"exempt\" stands alone",
                        rule.name);
        if (!rule.exempt && rule.load_class < 0 && !rule.has_treatment)
                return config_error(c->source, path, -EINVAL, c->e,
                                    "rule \"%s\" says nothing: it needs \"exempt\": true, "
                                    "\"class\" or \"treatment\"",
                                    rule.name);
        if (!rule.origin[0])
                snprintf(rule.origin, sizeof(rule.origin), "%s",
                         c->source->name ? c->source->name : "");
        *ret = rule;
        return 0;
}

/* Rules of a later document go behind those that are there. */
static int load_rules(const ConfigContext *c, const char *path, const ConfigField *f, void *base,
                      json_object *v) {
        Policy *p = base;
        Rule *rules;
        size_t n;

        if (!json_object_is_type(v, json_type_array))
                return -EINVAL;
        n = json_object_array_length(v);
        if (n == 0)
                return 0;
        if (n > RULES_MAX - MIN(p->n_rules, (size_t)RULES_MAX))
                return config_error(c->source, path, -E2BIG, c->e, "at most %d rules in all",
                                    RULES_MAX);
        rules = realloc(p->rules, (p->n_rules + n) * sizeof(*rules));
        if (!rules)
                return -ENOMEM;
        p->rules = rules;
        for (size_t i = 0; i < n; i++) {
                char child[CONFIG_PATH_SIZE];
                int r;

                snprintf(child, sizeof(child), "%s[%zu]", path, i);
                r = rule_load(c, child, json_object_array_get_idx(v, i), &rules[p->n_rules]);
                if (r < 0)
                        return r;
                p->n_rules++;
        }
        return 0;
}

static json_object *format_rules(const ConfigField *f, const void *base) {
        json_object *a = json_object_new_array();
        const Policy *p = base;

        for (size_t i = 0; a && i < p->n_rules; i++) {
                json_object *rule = config_object_format(rule_fields, &p->rules[i]);

                if (!rule || json_object_array_add(a, rule) < 0) {
                        json_object_put(rule);
                        json_object_put(a);
                        return NULL;
                }
        }
        return a;
}

static const ConfigCodec codec_scope = {
        .accepted =
                "a list of texts such as [\"machine\"] or [\"unit:backup*.service\", \"uid:1000\"]",
        .is_list = true,
        .is_text = true,
        .load = load_scope,
        .format = format_scope,
};
static const ConfigCodec codec_rules = {
        .accepted = "a list of rules [{…}]",
        .load = load_rules,
        .format = format_rules,
};
/* The one truth about keys: loading, settings and printing all go by it. */
#define P(member) offsetof(Policy, member)
#define H(member) offsetof(Policy, thresholds.member)
#define I(member) offsetof(Policy, impact.member)
#define C(class) offsetof(Policy, treatment) + (class) * sizeof(Treatment)
static const ConfigField policy_fields[] = {
        {"mode", &codec_mode, P(mode), 0, 0, 0, 0},
        {"on_stop", &codec_on_stop, P(keep_on_stop), 0, 0, 0, 0},
        {"fine_tuning", &codec_switch, P(fine_tuning), 0, 0, 0, 0},
        {"model", &codec_model, P(model), 0, 0, 0, sizeof(((Policy *)NULL)->model)},
        {"scope", &codec_scope, 0, 0, 0, 0, 0},
        {"interval", &codec_duration, H(interval), 100e3, 60e6, 0, 0},
        {"interval_max", &codec_duration, H(interval_max), 100e3, 60e6, 0, 0},
        {"thresholds.confidence", &codec_float, H(confidence), 0, 1, 0, 0},
        {"thresholds.protect_confidence", &codec_float, H(protect_confidence), 0, 1, 0, 0},
        {"thresholds.delay_share", &codec_float, H(delay_share), 0, 1000, 0, 0},
        {"thresholds.delay_per_slice", &codec_duration, H(delay_per_slice), 0, 10e6, 0, 0},
        {"thresholds.busy_share", &codec_float, H(busy_share), 0, 1, 0, 0},
        {"thresholds.io_pressure", &codec_float, H(io_pressure), 0, 1, 0, 0},
        {"thresholds.memory_pressure", &codec_float, H(memory_pressure), 0, 1, 0, 0},
        {"thresholds.hog_share", &codec_float, H(hog_share), 0, 1000, 0, 0},
        {"thresholds.infer_change", &codec_float, H(infer_change), 0, 1000, 0, 0},
        {"thresholds.contention_after", &codec_duration, H(contention_after), 0, 3600e6, 0, 0},
        {"thresholds.dwell", &codec_duration, H(dwell), 0, 3600e6, 0, 0},
        {"thresholds.release_after", &codec_duration, H(release_after), 0, 3600e6, 0, 0},
        {"thresholds.cool_down", &codec_duration, H(cool_down), 0, 86400e6, 0, 0},
        {"thresholds.changes_per_minute", &codec_u32, H(changes_per_minute), 0, 100000, 0, 0},
        {"thresholds.nice_max", &codec_i8, H(nice_max), 0, 19, 0, 0},
        {"impact.undo", &codec_switch, I(undo), 0, 0, 0, 0},
        {"impact.effect", &codec_float, I(effect), 0.01, 0.9, 0, 0},
        {"impact.intervals", &codec_u32, I(intervals), 1, 16, 0, 0},
        {"impact.wakeups", &codec_u32, I(wakeups), 1, 1000000, 0, 0},
        {"impact.before", &codec_duration, I(before), 1e6, 600e6, 0, 0},
        {"impact.probe", &codec_duration, I(probe), 0, 86400e6, 0, 0},
        {"impact.remember", &codec_duration, I(remember), 0, 86400e6, 0, 0},
        {"impact.remember_max", &codec_duration, I(remember_max), 0, 604800e6, 0, 0},
        {"impact.floor_share", &codec_float, I(floor_share), 0, 1, 0, 0},
        {"impact.floor_io", &codec_u32, I(floor_io), 0, 1073741824, 0, 0},
        {"impact.floor_after", &codec_duration, I(floor_after), 1e6, 3600e6, 0, 0},
        {"priors.enabled", &codec_switch, P(priors.enabled), 0, 0, 0, 0},
        {"priors.half_life", &codec_duration, P(priors.half_life), 3600e6, 31536000e6, 0, 0},
        {"priors.max", &codec_u32, P(priors.max), 1, PRIORS_MAX, 0, 0},
        {"classes.idle", &codec_treatment, C(CLASS_IDLE), 0, 0, 0, 0},
        {"classes.interactive", &codec_treatment, C(CLASS_INTERACTIVE), 0, 0, 0, 0},
        {"classes.server", &codec_treatment, C(CLASS_SERVER), 0, 0, 0, 0},
        {"classes.batch", &codec_treatment, C(CLASS_BATCH), 0, 0, 0, 0},
        {"classes.io", &codec_treatment, C(CLASS_IO), 0, 0, 0, 0},
        {"classes.memory", &codec_treatment, C(CLASS_MEMORY), 0, 0, 0, 0},
        {"filter.on_stop", &codec_filter_on_stop, P(keep_filters), 0, 0, 0, 0},
        {"filter.interfaces", &codec_filters, 0, 0, 0, 0, 0},
        {"rules", &codec_rules, 0, 0, 0, 0, 0},
        {"tunables", &codec_tunables, 0, 0, 0, 0, 0},
        {0},
};

_Static_assert(_CLASS_COUNT == 6, "a class more or less: policy_fields has a line for each");

/* ---- settings ---- */

static json_object *list_from_text(const char *text) {
        json_object *a = json_object_new_array();

        for (const char *p = text; a && *p;) {
                size_t n = strcspn(p, ",");
                json_object *entry = json_object_new_string_len(p, (int)n);

                if (!entry || json_object_array_add(a, entry) < 0) {
                        json_object_put(entry);
                        json_object_put(a);
                        return NULL;
                }
                p += n;
                if (*p == ',' && !*++p) /* a comma at the end: one more, empty entry */
                        json_object_array_add(a, json_object_new_string(""));
        }
        return a;
}

/* What the text would be in JSON. 0 and NULL for nothing (null), or -ENOMEM. */
static int value_from_text(const ConfigCodec *codec, const char *text, json_object **ret) {
        json_object *v;
        double d;
        int64_t i;

        if (codec->is_list)
                v = list_from_text(text);
        else if (!text[0] && !codec->is_text) {
                *ret = NULL;
                return 0;
        } else if (!codec->is_text && parse_i64(text, INT64_MIN, INT64_MAX, &i) >= 0)
                v = json_object_new_int64(i);
        else if (!codec->is_text && parse_double(text, -HUGE_VAL, HUGE_VAL, &d) >= 0)
                v = json_object_new_double(d);
        else if (codec == &codec_switch && (streq(text, "true") || streq(text, "false")))
                v = json_object_new_boolean(streq(text, "true"));
        else
                v = json_object_new_string(text);
        *ret = v;
        return v ? 0 : -ENOMEM;
}

static int field_set(const ConfigContext *c, const char *key, const ConfigField *f, void *base,
                     const char *text) {
        _cleanup_json_ json_object *v = NULL;
        int r;

        /* Nothing unsets a part of a treatment. */
        if (f->bit && !text[0])
                return config_field_load(c, key, f, base, NULL);
        r = value_from_text(f->codec, text, &v);
        if (r < 0)
                return config_error(c->source, key, r, c->e, "out of memory");
        return config_field_load(c, key, f, base, v);
}

static int unknown_setting(const ConfigContext *c, const char *key, const ConfigField *fields,
                           const char *below) {
        const char *rest = key + strlen(below), *dot = strchr(rest, '.');
        char section[CONFIG_PATH_SIZE], word[CONFIG_PATH_SIZE];

        /* thresholds.confidnce: what thresholds holds is more help than the list of sections. */
        if (dot && fields == policy_fields) {
                snprintf(section, sizeof(section), "%.*s", (int)(dot + 1 - key), key);
                if (config_section_exists(fields, section)) {
                        snprintf(word, sizeof(word), "%.*s", (int)strcspn(dot + 1, "."), dot + 1);
                        return config_unknown_key(c, key, fields, section, word);
                }
        }
        snprintf(word, sizeof(word), "%s", rest);
        return config_unknown_key(c, key, fields, "", word);
}

int config_policy_set(Policy *p, const char *key, const char *value, Error *e) {
        const ConfigSource source = {.name = NULL};
        const ConfigContext c = {&source, e};
        const ConfigField *f = config_field_find(policy_fields, "", key);
        char below[64];

        if (strlen(key) >= CONFIG_PATH_SIZE)
                return config_error(&source, "", -EINVAL, e, "the key \"%.60s…\" is too long", key);
        if (f && f->codec == &codec_rules)
                return config_error(&source, key, -EINVAL, e,
                                    "rules cannot be set one by one; put them into a file in "
                                    "policy.d and reload");
        if (f && f->codec == &codec_filters)
                return config_error(&source, key, -EINVAL, e,
                                    "interfaces cannot be set one by one; put them into a file in "
                                    "policy.d and reload, or use aikmctl filter");
        if (f && f->codec == &codec_tunables)
                return config_error(&source, key, -EINVAL, e,
                                    "needs a name: tunables.NAME=VALUE, such as "
                                    "tunables.vm.swappiness=10");
        if (f && f->codec == &codec_treatment) {
                if (value[0])
                        return config_error(&source, key, -EINVAL, e,
                                            "set its parts, such as %s.nice=10; an empty value "
                                            "means no treatment",
                                            key);
                return config_field_load(&c, key, f, p, NULL);
        }
        if (f)
                return field_set(&c, key, f, p, value);
        if (strncmp(key, "tunables.", strlen("tunables.")) == 0)
                return config_tunable_set(&c, key, p, value);
        for (f = policy_fields; f->key; f++) {
                const ConfigField *part;

                if (f->codec != &codec_treatment)
                        continue;
                snprintf(below, sizeof(below), "%s.", f->key);
                if (strncmp(key, below, strlen(below)) != 0)
                        continue;
                part = config_field_find(config_treatment_fields, "", key + strlen(below));
                return part ? field_set(&c, key, part, config_field_at(f, p), value)
                            : unknown_setting(&c, key, config_treatment_fields, below);
        }
        return unknown_setting(&c, key, policy_fields, "");
}

int config_policy_load(Policy *p, json_object *o, const ConfigSource *s, Error *e) {
        const ConfigContext c = {s, e};

        return config_object_load(&c, "", policy_fields, "", p, o);
}

json_object *config_policy_format(const Policy *p) {
        return config_object_format(policy_fields, p);
}
