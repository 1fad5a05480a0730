/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/frame.h"

#include <errno.h>
#include <inttypes.h>

#include "models/compiler/emit.h"

static const char *const target_names[_TARGET_COUNT] = {
        [TARGET_ROWS] = "rows",
        [TARGET_FUNC] = "func",
        [TARGET_XDP] = "xdp",
        [TARGET_TC] = "tc",
};

const char *target_name(Target t) {
        return target_names[t];
}

int target_from_name(const char *name) {
        for (int i = 0; i < _TARGET_COUNT; i++)
                if (streq(target_names[i], name))
                        return i;
        return -EINVAL;
}

/* Prints a text in which each @ is the program's name. */
static void print_named(FILE *f, const char *name, const char *text) {
        for (; *text; text++)
                if (*text == '@')
                        fputs(name, f);
                else
                        fputc(*text, f);
}

static const char license[] = "char LICENSE[] SEC(\"license\") = \"GPL\";\n\n";

static const char headers[] = "#include <linux/bpf.h>\n"
                              "#include <bpf/bpf_helpers.h>\n\n";

/* What one inference needs besides the stack: of each CPU, where it needs any. */
static const char scratch_text[] =
        "#if @_SCRATCH\n"
        "struct {\n"
        "\t__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);\n"
        "\t__uint(max_entries, 1);\n"
        "\t__type(key, __u32);\n"
        "\t__type(value, struct @_scratch);\n"
        "} @_scratches SEC(\".maps\");\n\n"
        "static __always_inline struct @_scratch *@_get_scratch(void)\n"
        "{\n"
        "\t__u32 zero = 0;\n\n"
        "\treturn bpf_map_lookup_elem(&@_scratches, &zero);\n"
        "}\n"
        "#define @_SCRATCH_OF(s) struct @_scratch *s = @_get_scratch()\n"
        "#else\n"
        "#define @_SCRATCH_OF(s) struct @_scratch none = {}, *s = &none\n"
        "#endif\n\n";

static const char rows_text[] =
        "/* Behind the fields the program writes what came of them. */\n"
        "struct @_packet {\n"
        "\t__u32 field[@_FIELDS];\n"
        "\t__u32 decision;\n"
        "\t__s32 output[@_OUTPUTS];\n"
        "\t__u32 padding[4]; /* a frame has at least 14 bytes */\n"
        "};\n\n"
        "struct @_turn {\n"
        "\tstruct @_packet packet;\n"
        "\t__u32 state; /* of the generator that picks rows */\n"
        "\t__u64 sum;   /* of decisions, so that somebody wants them */\n"
        "};\n\n"
        "struct {\n"
        "\t__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);\n"
        "\t__uint(max_entries, 1);\n"
        "\t__type(key, __u32);\n"
        "\t__type(value, struct @_turn);\n"
        "} @_turns SEC(\".maps\");\n\n"
        "struct {\n"
        "\t__uint(type, BPF_MAP_TYPE_ARRAY);\n"
        "\t__uint(max_entries, @_ROWS);\n"
        "\t__type(key, __u32);\n"
        "\t__type(value, struct @_raw);\n"
        "} @_row_map SEC(\".maps\");\n\n"
        "SEC(\"xdp\")\n"
        "int @_rows(struct xdp_md *ctx)\n"
        "{\n"
        "\tstruct @_packet *packet = (void *)(long)ctx->data;\n"
        "\tvoid *end = (void *)(long)ctx->data_end;\n"
        "\t__u32 zero = 0;\n"
        "\tstruct @_turn *turn = bpf_map_lookup_elem(&@_turns, &zero);\n"
        "\t@_SCRATCH_OF(scratch);\n\n"
        "\tif (!turn || !scratch || (void *)(packet + 1) > end)\n"
        "\t\treturn XDP_ABORTED;\n"
        "\tfor (int i = 0; i < @_FIELDS; i++)\n"
        "\t\tturn->packet.field[i] = packet->field[i];\n"
        "\tpacket->decision = @_run(turn->packet.field, scratch, turn->packet.output);\n"
        "\tfor (int i = 0; i < @_OUTPUTS; i++)\n"
        "\t\tpacket->output[i] = turn->packet.output[i];\n"
        "\treturn XDP_PASS;\n"
        "}\n\n"
        "/* A row by chance: neither their order nor any one of them can be learnt. */\n"
        "static __always_inline struct @_raw *@_pick(struct @_turn *turn)\n"
        "{\n"
        "\t__u32 index;\n\n"
        "\tturn->state = turn->state * 1664525 + 1013904223;\n"
        "\tindex = (__u64)turn->state * @_ROWS >> 32;\n"
        "\treturn bpf_map_lookup_elem(&@_row_map, &index);\n"
        "}\n\n"
        "SEC(\"xdp\")\n"
        "int @_bench(struct xdp_md *ctx)\n"
        "{\n"
        "\t__u32 zero = 0;\n"
        "\tstruct @_turn *turn = bpf_map_lookup_elem(&@_turns, &zero);\n"
        "\tstruct @_raw *row;\n"
        "\t@_SCRATCH_OF(scratch);\n\n"
        "\tif (!turn || !scratch)\n"
        "\t\treturn XDP_ABORTED;\n"
        "\trow = @_pick(turn);\n"
        "\tif (!row)\n"
        "\t\treturn XDP_ABORTED;\n"
        "\tturn->sum += @_run(row->field, scratch, 0);\n"
        "\treturn XDP_PASS;\n"
        "}\n\n"
        "SEC(\"xdp\")\n"
        "int @_idle(struct xdp_md *ctx)\n"
        "{\n"
        "\t__u32 zero = 0;\n"
        "\tstruct @_turn *turn = bpf_map_lookup_elem(&@_turns, &zero);\n"
        "\tstruct @_raw *row;\n"
        "\t@_SCRATCH_OF(scratch);\n\n"
        "\tif (!turn || !scratch)\n"
        "\t\treturn XDP_ABORTED;\n"
        "\trow = @_pick(turn);\n"
        "\tif (!row)\n"
        "\t\treturn XDP_ABORTED;\n"
        "\tturn->sum += row->field[0];\n"
        "\treturn XDP_PASS;\n"
        "}\n\n"
        "SEC(\"xdp\")\n"
        "int @_empty(struct xdp_md *ctx)\n"
        "{\n"
        "\treturn XDP_PASS;\n"
        "}\n";

static const char func_text[] =
        "/* The decision, or -1 where there is nothing to decide on. */\n"
        "__noinline int @(const struct @_fields *fields)\n"
        "{\n"
        "\t@_SCRATCH_OF(scratch);\n\n"
        "\tif (!fields || !scratch)\n"
        "\t\treturn -1;\n"
        "\treturn (int)@_run((const __u32 *)fields, scratch, 0);\n"
        "}\n\n"
        "/* The same, and the outputs. */\n"
        "__noinline int @_outputs(const struct @_fields *fields, struct @_values *values)\n"
        "{\n"
        "\t@_SCRATCH_OF(scratch);\n\n"
        "\tif (!fields || !values || !scratch)\n"
        "\t\treturn -1;\n"
        "\treturn (int)@_run((const __u32 *)fields, scratch, values->output);\n"
        "}\n";

static void print_structs(FILE *f, const Program *p, const FrameFields *fields) {
        fprintf(f, "struct %s_fields {\n", p->name);
        for (size_t i = 0; i < p->n_fields; i++)
                if (fields && fields->names)
                        fprintf(f, "\t__u32 %s;\n", fields->names[i]);
                else
                        fprintf(f, "\t__u32 f%zu;\n", i);
        fprintf(f, "};\n\nstruct %s_values {\n\t__s32 output[%zu];\n};\n\n", p->name, p->n_outputs);
}

void frame_print_header(FILE *f, const Program *p, const FrameFields *fields) {
        fputs("/* Made by aikm-compile " AIKM_VERSION ". */\n", f);
        print_named(f, p->name,
                    "#ifndef @_MODEL_H\n#define @_MODEL_H\n\n#include <linux/types.h>\n\n");
        print_structs(f, p, fields);
        if (p->decision == DECISION_ARGMAX) {
                fputs("/* Decisions, and what the model calls them: ", f);
                for (size_t i = 0; i < p->n_outputs; i++)
                        fprintf(f, "%s%zu is %" PRId64, i > 0 ? ", " : "", i, p->labels[i]);
                fputs(". */\n", f);
        }
        fprintf(f, "/* Value of an output: output * %.9g + %.9g. */\n", p->output_scale,
                p->output_offset);
        print_named(f, p->name,
                    "/* -1: no fields, or no memory of this CPU. What they need besides the stack "
                    "is of each CPU:\n"
                    " * on one CPU, one call must not interrupt another. */\n"
                    "int @(const struct @_fields *fields);\n"
                    "int @_outputs(const struct @_fields *fields, struct @_values *values);\n\n"
                    "#endif\n");
}

static int print_filter(FILE *f, const Program *p, Target t, const FrameFields *fields, Error *e) {
        int r;

        if (!fields || !fields->packet_ids)
                return error_set(e, -EINVAL,
                                 "target %s reads packets: the features have to be packet fields",
                                 target_name(t));
        if (p->decision == DECISION_VALUE)
                return error_set(e, -EINVAL,
                                 "target %s needs a decision: --threshold makes one of a number",
                                 target_name(t));
        fputs(headers, f);
        r = emit_program(f, p);
        if (r < 0)
                return r;
        fputs("\n#define FILTER_FIELDS(X)", f);
        for (size_t i = 0; i < p->n_fields; i++)
                fprintf(f, " X(%s)", fields->packet_ids[i]);
        if (t == TARGET_TC)
                fputs("\n#define FILTER_TC", f);
        print_named(f, p->name,
                    "\n#define FILTER_OUTPUTS @_OUTPUTS\n"
                    "#define FILTER_SCRATCH struct @_scratch\n"
                    "#define FILTER_RUN @_run\n"
                    "#include \"collectors/bpf/filter-shell.h\"\n");
        return 0;
}

int frame_print(FILE *f, const Program *p, Target t, const FrameFields *fields, Error *e) {
        int r;

        if (t == TARGET_XDP || t == TARGET_TC) {
                r = print_filter(f, p, t, fields, e);
        } else {
                fputs(headers, f);
                fputs(license, f);
                r = emit_program(f, p);
                fputc('\n', f);
                print_named(f, p->name, scratch_text);
                if (t == TARGET_FUNC)
                        print_structs(f, p, fields);
                else
                        fprintf(f, "#define %s_ROWS %d\n\n", p->name, FRAME_ROWS);
                print_named(f, p->name, t == TARGET_FUNC ? func_text : rows_text);
        }
        if (r == -EFBIG)
                return error_set(e, r, "program %s is larger than the kernel takes", p->name);
        if (r < 0)
                return error_set(e, r, "program %s cannot be printed: %s", p->name, strerror(-r));
        return 0;
}
