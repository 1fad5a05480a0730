/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include <json-c/json.h>

#include "models/compiler/feature-spec.h"

#include "models/feature.h"
#include "models/packet-field.h"

#define DEPTH_MAX 8

DEFINE_CLEANUP(struct json_tokener *, json_tokener_free);
DEFINE_CLEANUP(struct json_object *, json_object_put);

const char *feature_spec_field_name(const FeatureSpec *spec, size_t i) {
        return spec->table == FIELD_TABLE_PACKET ? packet_field_table[spec->fields[i]].name
                                                 : feature_table[spec->fields[i]].name;
}

int feature_spec_check_width(const FeatureSpec *spec, size_t model_inputs, Error *e) {
        if (spec->n_fields == model_inputs)
                return 0;
        return error_set(e, -EINVAL, "the model takes %zu inputs, '%s' names %zu fields",
                         model_inputs, spec->name, spec->n_fields);
}

static int parse_json(const char *text, size_t size, struct json_object **ret, Error *e) {
        _cleanup_(json_tokener_freep)
        struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        _cleanup_(json_object_putp)
        struct json_object *root = NULL;
        size_t end, line = 1;

        if (!tokener)
                return -ENOMEM;
        if (size > FEATURE_SPEC_SIZE_MAX)
                return error_set(e, -EINVAL, "a feature spec of %zu bytes: accepted is up to %zu",
                                 size, FEATURE_SPEC_SIZE_MAX);
        root = json_tokener_parse_ex(tokener, text, (int)size);
        if (!root && json_tokener_get_error(tokener) == json_tokener_continue)
                root = json_tokener_parse_ex(tokener, "", 1); /* the end */
        end = json_tokener_get_parse_end(tokener);
        for (size_t i = 0; i < MIN(end, size); i++)
                line += text[i] == '\n';
        if (!root)
                return error_set(e, -EINVAL, "line %zu: %s", line,
                                 json_tokener_error_desc(json_tokener_get_error(tokener)));
        for (size_t i = end; i < size; i++)
                if (!isspace((unsigned char)text[i]))
                        return error_set(e, -EINVAL, "line %zu: text behind the end", line);
        if (!json_object_is_type(root, json_type_object))
                return error_set(e, -EINVAL, "not a JSON object");
        *ret = TAKE_PTR(root);
        return 0;
}

/* The table is that of the first field. */
static int find_field(FeatureSpec *spec, const char *name, Error *e) {
        int found = packet_field_find(name);
        FieldTable table = FIELD_TABLE_PACKET;

        if (found < 0) {
                table = FIELD_TABLE_PROCESS;
                for (size_t i = 0; i < FEATURE_COUNT && found < 0; i++)
                        if (streq(feature_table[i].name, name))
                                found = (int)i;
        }
        if (found < 0)
                return error_set(e, -EINVAL,
                                 "there is no field '%.64s': accepted are the packet fields and "
                                 "the features of processes, by name",
                                 name);
        if (spec->n_fields > 0 && spec->table != table)
                return error_set(e, -EINVAL,
                                 "field '%s' is one of a %s, those before it are of a %s", name,
                                 table == FIELD_TABLE_PACKET ? "packet" : "process",
                                 table == FIELD_TABLE_PACKET ? "process" : "packet");
        for (size_t i = 0; i < spec->n_fields; i++)
                if (spec->fields[i] == found)
                        return error_set(e, -EINVAL, "field '%s' is named twice", name);
        spec->table = table;
        return found;
}

static int parse_bound(struct json_object *o, const char *field, const char *key,
                       const Interval *range, int64_t *ret, Error *e) {
        int64_t x;

        if (!json_object_is_type(o, json_type_int))
                return error_set(e, -EINVAL, "field '%s': %s is not a whole number", field, key);
        x = json_object_get_int64(o);
        if (x < range->low || x > range->high)
                return error_set(e, -EINVAL,
                                 "field '%s': %s is %" PRId64 ": accepted is %" PRId64
                                 " to %" PRId64,
                                 field, key, x, range->low, range->high);
        *ret = x;
        return 0;
}

static int parse_field(FeatureSpec *spec, struct json_object *o, Error *e) {
        bool object = json_object_is_type(o, json_type_object);
        struct json_object *name = o;
        Interval own = {.high = UINT32_MAX}, range;
        const char *text;
        int found;

        if (object)
                (void)json_object_object_get_ex(o, "name", &name);
        if (!json_object_is_type(name, json_type_string))
                return error_set(e, -EINVAL,
                                 "field %zu: accepted is a name, or an object with a name",
                                 spec->n_fields);
        if (spec->n_fields == PROGRAM_FIELDS_MAX)
                return error_set(e, -EINVAL, "more than %d fields", PROGRAM_FIELDS_MAX);
        text = json_object_get_string(name);
        found = find_field(spec, text, e);
        if (found < 0)
                return found;
        if (spec->table == FIELD_TABLE_PACKET)
                own.high = packet_field_table[found].max;
        range = own;
        if (object) {
                json_object_object_foreach(o, key, value) {
                        int r = 0;

                        if (streq(key, "low"))
                                r = parse_bound(value, text, key, &own, &range.low, e);
                        else if (streq(key, "high"))
                                r = parse_bound(value, text, key, &own, &range.high, e);
                        else if (!streq(key, "name"))
                                r = error_set(e, -EINVAL,
                                              "field '%s' has '%.40s': accepted are name, low and "
                                              "high",
                                              text, key);
                        if (r < 0)
                                return r;
                }
        }
        if (range.low >= range.high)
                return error_set(e, -EINVAL,
                                 "field '%s': low %" PRId64 " is not below high %" PRId64, text,
                                 range.low, range.high);
        spec->fields[spec->n_fields] = found;
        spec->ranges[spec->n_fields++] = range;
        return 0;
}

static int parse_fields(FeatureSpec *spec, struct json_object *o, Error *e) {
        if (!json_object_is_type(o, json_type_array) || json_object_array_length(o) == 0)
                return error_set(e, -EINVAL, "'fields' is no list of at least one field");
        for (size_t i = 0; i < json_object_array_length(o); i++) {
                int r = parse_field(spec, json_object_array_get_idx(o, i), e);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_name(FeatureSpec *spec, struct json_object *o, Error *e) {
        const char *name = json_object_is_type(o, json_type_string) ? json_object_get_string(o)
                                                                    : "";
        bool good = isalpha((unsigned char)name[0]) && strlen(name) < sizeof(spec->name);

        for (const char *c = name; *c; c++)
                good &= isalnum((unsigned char)*c) || *c == '_';
        if (!good)
                return error_set(e, -EINVAL,
                                 "'name' is '%.80s': accepted are up to %zu letters, digits and _, "
                                 "a letter first",
                                 name, sizeof(spec->name) - 1);
        snprintf(spec->name, sizeof(spec->name), "%s", name);
        return 0;
}

static int parse_target(FeatureSpec *spec, struct json_object *o, Error *e) {
        int t = json_object_is_type(o, json_type_string)
                        ? target_from_name(json_object_get_string(o))
                        : -EINVAL;

        if (t < 0 || t == TARGET_ROWS)
                return error_set(e, -EINVAL, "'target' is %.40s: accepted is one of xdp, tc, func",
                                 json_object_to_json_string(o));
        spec->target = (Target)t;
        spec->has_target = true;
        return 0;
}

int feature_spec_parse(const char *text, size_t size, FeatureSpec *ret, Error *e) {
        _cleanup_(json_object_putp)
        struct json_object *root = NULL;
        FeatureSpec spec = {0};
        int r;

        r = parse_json(text, size, &root, e);
        if (r < 0)
                return r;
        json_object_object_foreach(root, key, value) {
                if (streq(key, "name"))
                        r = parse_name(&spec, value, e);
                else if (streq(key, "target"))
                        r = parse_target(&spec, value, e);
                else if (streq(key, "fields"))
                        r = parse_fields(&spec, value, e);
                else
                        r = error_set(e, -EINVAL,
                                      "'%.40s' is not known: accepted are name, target and fields",
                                      key);
                if (r < 0)
                        return r;
        }
        if (!spec.name[0] || spec.n_fields == 0)
                return error_set(e, -EINVAL, "'%s' is missing", spec.name[0] ? "fields" : "name");
        *ret = spec;
        return 0;
}
