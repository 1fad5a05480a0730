/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <math.h>

#include "models/import-darknet.h"

#include "util/io.h"

#define CFG_SIZE_MAX ((size_t)1024 * 1024)
#define LINE_MAX_LENGTH ((size_t)1024)
#define BATCH_MAX 8192
#define STEPS_MAX ((size_t)64)

typedef enum Section {
        SECTION_NONE,
        SECTION_NET,
        SECTION_CONNECTED,
        SECTION_DROPOUT,
        SECTION_SOFTMAX,
        _SECTION_COUNT,
} Section;

static const char *const section_names[_SECTION_COUNT] = {
        [SECTION_NONE] = "[]",
        [SECTION_NET] = "[net]",
        [SECTION_CONNECTED] = "[connected]",
        [SECTION_DROPOUT] = "[dropout]",
        [SECTION_SOFTMAX] = "[softmax]",
};

static const char *const activation_names[_ACTIVATION_COUNT] = {
        [ACTIVATION_LINEAR] = "linear", [ACTIVATION_RELU] = "relu",
        [ACTIVATION_LEAKY] = "leaky",   [ACTIVATION_LOGISTIC] = "logistic",
        [ACTIVATION_TANH] = "tanh",
};

static const char *const policy_names[] = {"constant", "step", "exp",    "poly",
                                           "steps",    "sig",  "random", NULL};

/* Every option that is understood. The training options of [net] mean nothing to the engine, but
 * darknet reads the same file: what it would stumble over is refused here. */
typedef enum OptionKind { OPTION_INTEGER, OPTION_REAL, OPTION_WORD, OPTION_LIST } OptionKind;

typedef enum OptionId {
        OPTION_INPUTS,
        OPTION_BATCH,
        OPTION_SUBDIVISIONS,
        OPTION_POLICY,
        OPTION_STEPS,
        OPTION_SCALES,
        OPTION_OUTPUT,
        OPTION_ACTIVATION,
        OPTION_BATCH_NORMALIZE,
        OPTION_TEMPERATURE,
        OPTION_GROUPS,
        OPTION_IGNORED,
} OptionId;

typedef struct Option {
        Section section;
        const char *name;
        OptionId id;
        OptionKind kind;
        double min, max;
} Option;

static const Option options[] = {
        {SECTION_NET, "inputs", OPTION_INPUTS, OPTION_INTEGER, 1, (double)ENGINE_WIDTH_MAX},
        {SECTION_NET, "batch", OPTION_BATCH, OPTION_INTEGER, 1, BATCH_MAX},
        {SECTION_NET, "subdivisions", OPTION_SUBDIVISIONS, OPTION_INTEGER, 1, BATCH_MAX},
        {SECTION_NET, "policy", OPTION_POLICY, OPTION_WORD, 0, 0},
        {SECTION_NET, "steps", OPTION_STEPS, OPTION_LIST, 0, 1e9},
        {SECTION_NET, "scales", OPTION_SCALES, OPTION_LIST, 0, 1e9},
        {SECTION_NET, "learning_rate", OPTION_IGNORED, OPTION_REAL, 0, 1e6},
        {SECTION_NET, "momentum", OPTION_IGNORED, OPTION_REAL, 0, 1},
        {SECTION_NET, "decay", OPTION_IGNORED, OPTION_REAL, 0, 1},
        {SECTION_NET, "max_batches", OPTION_IGNORED, OPTION_INTEGER, 0, 1e9},
        {SECTION_NET, "burn_in", OPTION_IGNORED, OPTION_INTEGER, 0, 1e9},
        {SECTION_NET, "power", OPTION_IGNORED, OPTION_REAL, 0, 1e3},
        {SECTION_NET, "gamma", OPTION_IGNORED, OPTION_REAL, 0, 1e3},
        {SECTION_NET, "scale", OPTION_IGNORED, OPTION_REAL, 0, 1e9},
        {SECTION_NET, "step", OPTION_IGNORED, OPTION_INTEGER, 1, 1e9},
        {SECTION_NET, "seed", OPTION_IGNORED, OPTION_INTEGER, 0, INT_MAX},
        {SECTION_NET, "adam", OPTION_IGNORED, OPTION_INTEGER, 0, 1},
        {SECTION_NET, "B1", OPTION_IGNORED, OPTION_REAL, 0, 1},
        {SECTION_NET, "B2", OPTION_IGNORED, OPTION_REAL, 0, 1},
        {SECTION_NET, "eps", OPTION_IGNORED, OPTION_REAL, 0, 1},
        {SECTION_CONNECTED, "output", OPTION_OUTPUT, OPTION_INTEGER, 1, (double)ENGINE_WIDTH_MAX},
        {SECTION_CONNECTED, "activation", OPTION_ACTIVATION, OPTION_WORD, 0, 0},
        {SECTION_CONNECTED, "batch_normalize", OPTION_BATCH_NORMALIZE, OPTION_INTEGER, 0, 1},
        {SECTION_DROPOUT, "probability", OPTION_IGNORED, OPTION_REAL, 0, 0.999},
        {SECTION_SOFTMAX, "temperature", OPTION_TEMPERATURE, OPTION_REAL, 1e-3, 1e3},
        {SECTION_SOFTMAX, "groups", OPTION_GROUPS, OPTION_INTEGER, 1, (double)ENGINE_WIDTH_MAX},
};

_Static_assert(ELEMENTSOF(options) <= 64, "Parser.seen has a bit for each");

typedef struct CfgLayer {
        Layer layer; /* without weights */
        bool normalize;
        size_t line;
} CfgLayer;

typedef struct Cfg {
        size_t inputs;
        size_t outputs;
        size_t n_layers;
        CfgLayer layers[ENGINE_LAYERS_MAX];
} Cfg;

typedef struct Parser {
        Cfg *cfg;
        Error *e;
        size_t line; /* from 1 */
        Section section;
        size_t section_line;
        uint64_t seen; /* bit per entry of options[], in this section */
        /* the section's values */
        double values[OPTION_IGNORED];
        Activation activation;
        const char *policy;
        size_t n_steps, n_scales;
} Parser;

static bool has(const Parser *p, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (options[i].section == p->section && streq(options[i].name, name))
                        return p->seen & (UINT64_C(1) << i);
        return false;
}

/* Adds "a, b, c" of names that end with NULL or at n. */
static void join_names(char *text, size_t size, const char *const *names, size_t n) {
        size_t used = 0;

        text[0] = 0;
        for (size_t i = 0; i < n && names[i] && used < size; i++)
                used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "",
                                         names[i]);
}

static int refuse_option(Parser *p, const char *name) {
        const char *names[ELEMENTSOF(options)];
        char text[384];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (options[i].section == p->section)
                        names[n++] = options[i].name;
        join_names(text, sizeof(text), names, n);
        return error_set(p->e, -EINVAL, "line %zu: %s has no option '%.40s'; known are %s", p->line,
                         section_names[p->section], name, text);
}

static int refuse_value(Parser *p, const Option *o, const char *value) {
        return error_set(p->e, -EINVAL, "line %zu: %s %s=%.40s: accepted is a %s from %g to %g",
                         p->line, section_names[p->section], o->name, value,
                         o->kind == OPTION_INTEGER ? "whole number" : "number", o->min, o->max);
}

static int refuse_word(Parser *p, const Option *o, const char *value, const char *const *names,
                       size_t n) {
        char text[128];

        join_names(text, sizeof(text), names, n);
        return error_set(p->e, -EINVAL, "line %zu: %s %s=%.40s: accepted is one of %s", p->line,
                         section_names[p->section], o->name, value, text);
}

static int parse_word(Parser *p, const Option *o, const char *value) {
        if (o->id == OPTION_ACTIVATION) {
                for (int a = 0; a < _ACTIVATION_COUNT; a++)
                        if (streq(activation_names[a], value)) {
                                p->activation = (Activation)a;
                                return 0;
                        }
                return refuse_word(p, o, value, activation_names, _ACTIVATION_COUNT);
        }
        for (size_t i = 0; policy_names[i]; i++)
                if (streq(policy_names[i], value)) {
                        p->policy = policy_names[i];
                        return 0;
                }
        return refuse_word(p, o, value, policy_names, ELEMENTSOF(policy_names));
}

/* "3000,5000": counts the items, which darknet pairs by position without looking. */
static int parse_list(Parser *p, const Option *o, char *value) {
        size_t n = 0;

        for (char *item = value, *comma; item; item = comma) {
                double number;
                int64_t whole;

                comma = strchr(item, ',');
                if (comma)
                        *comma++ = 0;
                if (++n > STEPS_MAX)
                        return error_set(p->e, -EINVAL, "line %zu: [net] %s: more than %zu items",
                                         p->line, o->name, STEPS_MAX);
                if (o->id == OPTION_STEPS
                            ? parse_i64(item, (int64_t)o->min, (int64_t)o->max, &whole) < 0
                            : parse_double(item, o->min, o->max, &number) < 0)
                        return refuse_value(p, o, item);
        }
        *(o->id == OPTION_STEPS ? &p->n_steps : &p->n_scales) = n;
        return 0;
}

static int parse_number(Parser *p, const Option *o, const char *value) {
        double number;

        if (o->kind == OPTION_INTEGER) {
                int64_t whole;

                if (parse_i64(value, (int64_t)o->min, (int64_t)o->max, &whole) < 0)
                        return refuse_value(p, o, value);
                number = (double)whole;
        } else if (parse_double(value, o->min, o->max, &number) < 0 || !isfinite(number))
                return refuse_value(p, o, value);
        if (o->id != OPTION_IGNORED)
                p->values[o->id] = number;
        return 0;
}

static int parse_option(Parser *p, char *line) {
        char *value = strchr(line, '=');

        if (!value || value == line)
                return error_set(p->e, -EINVAL,
                                 "line %zu: '%.40s' is neither [section] nor key=value", p->line,
                                 line);
        *value++ = 0;
        if (p->section == SECTION_NONE)
                return error_set(p->e, -EINVAL, "line %zu: option '%.40s' before the first section",
                                 p->line, line);

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                const Option *o = &options[i];

                if (o->section != p->section || !streq(o->name, line))
                        continue;
                if (p->seen & (UINT64_C(1) << i))
                        return error_set(p->e, -EINVAL, "line %zu: %s %s is given twice", p->line,
                                         section_names[p->section], o->name);
                p->seen |= UINT64_C(1) << i;
                switch (o->kind) {
                case OPTION_WORD:
                        return parse_word(p, o, value);
                case OPTION_LIST:
                        return parse_list(p, o, value);
                case OPTION_INTEGER:
                case OPTION_REAL:
                default:
                        return parse_number(p, o, value);
                }
        }
        return refuse_option(p, line);
}

/* What darknet asks of each learning rate policy, and exits without. */
static int finish_net(Parser *p) {
        static const struct {
                const char *policy, *needs[2];
        } needs[] = {
                {"step", {"step", "scale"}}, {"exp", {"gamma", NULL}},
                {"poly", {"power", NULL}},   {"steps", {"steps", "scales"}},
                {"sig", {"gamma", "step"}},  {"random", {"power", NULL}},
        };
        size_t batch = has(p, "batch") ? (size_t)p->values[OPTION_BATCH] : 1;
        size_t subdivisions = has(p, "subdivisions") ? (size_t)p->values[OPTION_SUBDIVISIONS] : 1;

        if (!has(p, "inputs"))
                return error_set(p->e, -EINVAL,
                                 "line %zu: [net] lacks inputs: a number from 1 to %zu is required",
                                 p->section_line, ENGINE_WIDTH_MAX);
        if (batch % subdivisions != 0)
                return error_set(p->e, -EINVAL,
                                 "line %zu: [net] batch=%zu is no multiple of subdivisions=%zu",
                                 p->section_line, batch, subdivisions);
        for (size_t i = 0; p->policy && i < ELEMENTSOF(needs); i++)
                for (size_t k = 0; k < 2 && streq(needs[i].policy, p->policy); k++)
                        if (needs[i].needs[k] && !has(p, needs[i].needs[k]))
                                return error_set(p->e, -EINVAL,
                                                 "line %zu: [net] policy=%s lacks %s",
                                                 p->section_line, p->policy, needs[i].needs[k]);
        if (has(p, "steps") && has(p, "scales") && p->n_steps != p->n_scales)
                return error_set(p->e, -EINVAL,
                                 "line %zu: [net] has %zu steps but %zu scales: accepted is as "
                                 "many of one as of the other",
                                 p->section_line, p->n_steps, p->n_scales);
        p->cfg->inputs = p->cfg->outputs = (size_t)p->values[OPTION_INPUTS];
        return 0;
}

static int finish_softmax(Parser *p, Layer *l) {
        l->kind = LAYER_SOFTMAX;
        l->outputs = l->inputs;
        l->temperature = has(p, "temperature") ? (float)p->values[OPTION_TEMPERATURE] : 1;
        l->groups = has(p, "groups") ? (size_t)p->values[OPTION_GROUPS] : 1;
        if (l->inputs % l->groups != 0)
                return error_set(p->e, -EINVAL,
                                 "line %zu: [softmax] groups=%zu: accepted is a divisor of the %zu "
                                 "units before it",
                                 p->section_line, l->groups, l->inputs);
        return 0;
}

static int finish_connected(Parser *p, CfgLayer *c) {
        Layer *l = &c->layer;

        if (!has(p, "output"))
                return error_set(p->e, -EINVAL,
                                 "line %zu: [connected] lacks output: a number from 1 to %zu is "
                                 "required",
                                 p->section_line, ENGINE_WIDTH_MAX);
        l->kind = LAYER_CONNECTED;
        l->outputs = (size_t)p->values[OPTION_OUTPUT];
        l->activation = has(p, "activation") ? p->activation : ACTIVATION_LOGISTIC;
        c->normalize = has(p, "batch_normalize") && p->values[OPTION_BATCH_NORMALIZE] > 0;
        return 0;
}

/* Turns the section that ends here into a layer. */
static int finish_section(Parser *p) {
        Cfg *cfg = p->cfg;
        CfgLayer *c;
        int r;

        switch (p->section) {
        case SECTION_NONE:
                return 0;
        case SECTION_NET:
                return finish_net(p);
        case SECTION_DROPOUT:
                /* Out of training it passes everything on. darknet reads the layer before it. */
                if (cfg->n_layers == 0)
                        return error_set(p->e, -EINVAL,
                                         "line %zu: [dropout] needs a layer before it",
                                         p->section_line);
                return 0;
        default:
                break;
        }

        if (cfg->n_layers == ENGINE_LAYERS_MAX)
                return error_set(p->e, -EINVAL, "line %zu: more than %zu layers", p->section_line,
                                 ENGINE_LAYERS_MAX);
        c = &cfg->layers[cfg->n_layers];
        *c = (CfgLayer){.layer = {.inputs = cfg->outputs, .temperature = 1, .groups = 1},
                        .line = p->section_line};
        r = p->section == SECTION_SOFTMAX ? finish_softmax(p, &c->layer) : finish_connected(p, c);
        if (r < 0)
                return r;
        cfg->outputs = c->layer.outputs;
        cfg->n_layers++;
        return 0;
}

static int begin_section(Parser *p, const char *line) {
        bool first = p->section == SECTION_NONE;
        Section section = SECTION_NONE;
        int r;

        r = finish_section(p);
        if (r < 0)
                return r;

        for (int i = SECTION_NET; i < _SECTION_COUNT; i++)
                if (streq(section_names[i], line))
                        section = (Section)i;
        if (streq(line, "[network]"))
                section = SECTION_NET;
        if (section == SECTION_NONE)
                return error_set(p->e, -EINVAL,
                                 "line %zu: section '%.40s' is not understood; accepted are [net] "
                                 "first, then [connected], [dropout], [softmax]",
                                 p->line, line);
        if (first != (section == SECTION_NET))
                return error_set(p->e, -EINVAL, "line %zu: %s", p->line,
                                 first ? "the first section must be [net]"
                                       : "[net] is accepted only once, as the first section");
        p->section = section;
        p->section_line = p->line;
        p->seen = 0;
        return 0;
}

static int parse_line(Parser *p, const char *text, size_t length) {
        char line[LINE_MAX_LENGTH + 1];
        size_t n = 0;

        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)text[i];

                /* As darknet: blanks go wherever they are. */
                if (c == ' ' || c == '\t')
                        continue;
                if (c < 0x20 || c == 0x7f)
                        return error_set(p->e, -EINVAL,
                                         "line %zu: control character 0x%02x; accepted is plain "
                                         "text with line feeds",
                                         p->line, c);
                if (n == LINE_MAX_LENGTH)
                        return error_set(p->e, -EINVAL, "line %zu: longer than %zu characters",
                                         p->line, LINE_MAX_LENGTH);
                line[n++] = (char)c;
        }
        line[n] = 0;

        if (n == 0 || line[0] == '#' || line[0] == ';')
                return 0;
        return line[0] == '[' ? begin_section(p, line) : parse_option(p, line);
}

static int check_size(const Cfg *cfg, Error *e) {
        size_t n = 0;

        if (cfg->n_layers == 0)
                return error_set(e, -EINVAL,
                                 "no layer: at least one [connected] or [softmax] is required");
        for (size_t i = 0; i < cfg->n_layers; i++) {
                const Layer *l = &cfg->layers[i].layer;

                if (l->kind != LAYER_CONNECTED)
                        continue;
                n += (l->outputs + ENGINE_LANES - 1) / ENGINE_LANES * ENGINE_LANES * l->inputs;
                if (n > ENGINE_WEIGHTS_MAX)
                        return error_set(e, -EINVAL,
                                         "line %zu: [connected] brings the network to %zu weights; "
                                         "accepted are %zu",
                                         cfg->layers[i].line, n, ENGINE_WEIGHTS_MAX);
        }
        return 0;
}

static int cfg_parse(const char *text, size_t size, Cfg *ret, Error *e) {
        Parser p = {.cfg = ret, .e = e};
        int r;

        *ret = (Cfg){};
        if (size > CFG_SIZE_MAX)
                return error_set(e, -EINVAL, "%zu bytes; accepted are at most %zu", size,
                                 CFG_SIZE_MAX);
        for (size_t at = 0; at < size;) {
                const char *end = memchr(text + at, '\n', size - at);
                size_t length = end ? (size_t)(end - text) - at : size - at;

                p.line++;
                r = parse_line(&p, text + at, length);
                if (r < 0)
                        return r;
                at += length + 1;
        }
        if (p.section == SECTION_NONE)
                return error_set(e, -EINVAL, "no section: [net] with inputs=N is required");
        r = finish_section(&p);
        if (r < 0)
                return r;
        return check_size(ret, e);
}

int import_darknet_check_cfg(const char *cfg, size_t cfg_size, size_t *ret_inputs,
                             size_t *ret_outputs, Error *e) {
        _cleanup_free_
        Cfg *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return error_set(e, -ENOMEM, "out of memory");
        r = cfg_parse(cfg, cfg_size, c, e);
        if (r < 0)
                return r;
        *ret_inputs = c->inputs;
        *ret_outputs = c->outputs;
        return 0;
}

static uint32_t get_le32(const unsigned char *p) {
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Size of the header, or -EINVAL. */
static int header_check(const unsigned char *data, size_t size, Error *e) {
        int32_t major, minor;
        size_t header;

        if (size < 12)
                return error_set(e, -EINVAL, "weights: %zu bytes are no darknet header", size);
        major = (int32_t)get_le32(data);
        minor = (int32_t)get_le32(data + 4);
        if (major > 1000 || minor > 1000)
                return error_set(e, -EINVAL,
                                 "weights: version %d.%d marks transposed weights; accepted is the "
                                 "usual order (version 0.2)",
                                 major, minor);
        if (major < 0 || minor < 0 || major == 1000 || minor == 1000)
                return error_set(e, -EINVAL, "weights: version %d.%d is no darknet version", major,
                                 minor);
        header = major * 10 + minor >= 2 ? 20 : 16;
        if (size < header)
                return error_set(e, -EINVAL, "weights: %zu bytes are no darknet header", size);
        return (int)header;
}

static size_t layer_floats(const CfgLayer *c) {
        if (c->layer.kind != LAYER_CONNECTED)
                return 0;
        return c->layer.outputs * (c->layer.inputs + (c->normalize ? 4 : 1));
}

typedef struct Reader {
        const unsigned char *data;
        float *to;
        const CfgLayer *layer;
        Error *e;
} Reader;

/* The next n values; min: 0 for variances. */
static int take(Reader *in, const char *what, size_t n, float min, const float **ret) {
        float *to = in->to;

        for (size_t i = 0; i < n; i++) {
                uint32_t bits = get_le32(in->data + 4 * i);

                memcpy(&to[i], &bits, sizeof(bits));
                if (!isfinite(to[i]) || to[i] < min)
                        return error_set(in->e, -EINVAL,
                                         "weights: %s of the [connected] in line %zu, value %zu of "
                                         "%zu, is %g; accepted is a finite number%s",
                                         what, in->layer->line, i + 1, n, (double)to[i],
                                         min >= 0.0f ? " that is not negative" : "");
        }
        in->data += 4 * n;
        in->to += n;
        *ret = to;
        return 0;
}

static int take_layer(Reader *in, const CfgLayer *c, Layer *l) {
        int r;

        in->layer = c;
        *l = c->layer;
        if (l->kind != LAYER_CONNECTED)
                return 0;
        r = take(in, "biases", l->outputs, -INFINITY, &l->biases);
        if (r >= 0)
                r = take(in, "weights", l->outputs * l->inputs, -INFINITY, &l->weights);
        if (r < 0 || !c->normalize)
                return r;
        r = take(in, "scales", l->outputs, -INFINITY, &l->scales);
        if (r >= 0)
                r = take(in, "rolling_mean", l->outputs, -INFINITY, &l->means);
        if (r >= 0)
                r = take(in, "rolling_variance", l->outputs, 0.0f, &l->variances);
        return r;
}

int import_darknet_layers(const char *cfg, size_t cfg_size, const void *weights,
                          size_t weights_size, Layer ret_layers[ENGINE_LAYERS_MAX], size_t *ret_n,
                          float **ret_values, Error *e) {
        _cleanup_free_
        Cfg *c = calloc(1, sizeof(*c));
        _cleanup_free_
        float *values = NULL;
        size_t n = 0;
        Reader in;
        int header, r;

        if (!c)
                return error_set(e, -ENOMEM, "out of memory");
        r = cfg_parse(cfg, cfg_size, c, e);
        if (r < 0)
                return r;

        header = header_check(weights, weights_size, e);
        if (header < 0)
                return header;
        for (size_t i = 0; i < c->n_layers; i++)
                n += layer_floats(&c->layers[i]);
        if (weights_size != (size_t)header + 4 * n)
                return error_set(e, -EINVAL,
                                 "weights: %zu bytes, but this cfg needs %zu (header %d and %zu "
                                 "values): %s, or of another cfg",
                                 weights_size, (size_t)header + 4 * n, header, n,
                                 weights_size < (size_t)header + 4 * n ? "truncated" : "too long");

        values = malloc(MAX(n, (size_t)1) * sizeof(*values));
        if (!values)
                return error_set(e, -ENOMEM, "out of memory");
        in = (Reader){.data = (const unsigned char *)weights + header, .to = values, .e = e};
        for (size_t i = 0; i < c->n_layers; i++) {
                r = take_layer(&in, &c->layers[i], &ret_layers[i]);
                if (r < 0)
                        return r;
        }
        *ret_n = c->n_layers;
        *ret_values = TAKE_PTR(values);
        return 0;
}

int import_darknet(const char *cfg, size_t cfg_size, const void *weights, size_t weights_size,
                   Engine **ret, Error *e) {
        _cleanup_free_
        float *values = NULL;
        Layer layers[ENGINE_LAYERS_MAX];
        size_t n;
        int r;

        r = import_darknet_layers(cfg, cfg_size, weights, weights_size, layers, &n, &values, e);
        if (r < 0)
                return r;
        r = engine_new(layers, n, ret);
        if (r == -EINVAL)
                return error_set(
                        e, r, "weights: batch normalisation makes a weight too large for a float");
        return r < 0 ? error_set(e, r, "out of memory") : 0;
}
