/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * aikm-packets: recorded traffic to rows of the filter's fields, by the very code that the kernel
 * runs. What the filter's models are trained and calibrated with.
 */

#include <errno.h>
#include <getopt.h>

#include "models/packet-field.h"
#include "models/packets/capture.h"

typedef struct Options {
        const char *source;
        const char *label;
        bool keys;
        unsigned fields[PACKET_FIELD_COUNT];
        size_t n_fields;
} Options;

/* Boot is some time before the first packet. */
#define FIRST_NS (UINT64_C(1) << 36)

static int usage(FILE *f, int status) {
        fputs("Usage: aikm-packets [OPTION]... FILE...\n"
              "Recorded packets to rows of the traffic filter's fields, as CSV.\n"
              "\n"
              "FILE is a pcap file, or a CSV file of packet headers (its name ends in .csv, or is "
              "-\n"
              "for the standard input). Packets are taken file by file, in the order of time; "
              "those\n"
              "that the filter does not judge are left out.\n"
              "\n"
              "  --fields NAME,NAME...  these fields (default: all)\n"
              "  --label 0|1            of all packets of pcap files: benign or malicious\n"
              "  --source TEXT          of all packets of pcap files (default: pcap)\n"
              "  --no-keys              leave out the columns src, file, line, label, cls\n"
              "  --list                 the fields\n",
              f);
        return status;
}

static int parse_fields(Options *o, char *names) {
        char *save = NULL;

        o->n_fields = 0;
        for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
                int i = packet_field_find(name);

                if (i < 0 || o->n_fields == PACKET_FIELD_COUNT) {
                        fprintf(stderr, "aikm-packets: --fields: there is no field '%s'\n", name);
                        return -EINVAL;
                }
                o->fields[o->n_fields++] = (unsigned)i;
        }
        return 0;
}

static int read_file(Capture *c, const char *path, const Options *o, Error *e) {
        size_t n = strlen(path);
        _cleanup_fclose_
        FILE *f = NULL;

        if (streq(path, "-"))
                return capture_read_headers(c, stdin, "standard input", e);
        f = fopen(path, "re");
        if (!f)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        if (n > 4 && streq(path + n - 4, ".csv"))
                return capture_read_headers(c, f, path, e);
        return capture_read_pcap(c, f, path, o->source, o->label, e);
}

static int write_rows(const Capture *c, const Options *o, FilterTwin *t) {
        uint32_t fields[PACKET_FIELD_COUNT];
        int64_t first_ns = 0;

        if (o->keys)
                fputs("src,file,line,label,cls,", stdout);
        for (size_t k = 0; k < o->n_fields; k++)
                printf("%s%s", k > 0 ? "," : "", packet_field_table[o->fields[k]].name);
        putchar('\n');
        for (size_t i = 0; i < c->n_packets; i++) {
                const CapturePacket *p = &c->packets[i];
                const CaptureFile *f = &c->files[p->file];

                if (i == 0 || p->file != p[-1].file) {
                        filter_twin_reset(t);
                        first_ns = p->at_ns;
                }
                if (filter_twin_track(t, &p->packet,
                                      FIRST_NS + ((uint64_t)p->at_ns - (uint64_t)first_ns),
                                      fields) < 0)
                        return -ENOMEM;
                if (o->keys)
                        printf("%s,%s,%zu,%s,%s,", f->source, f->name, p->line, p->label, p->class);
                for (size_t k = 0; k < o->n_fields; k++)
                        printf("%s%u", k > 0 ? "," : "", fields[o->fields[k]]);
                putchar('\n');
        }
        return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -EIO;
}

static int run(const Options *o, char **paths) {
        _cleanup_(capture_done)
        Capture c = CAPTURE_INIT;
        _cleanup_(filter_twin_freep)
        FilterTwin *t = NULL;
        Error e = ERROR_INIT;
        int r = filter_twin_new(&t);

        for (char **path = paths; *path && r >= 0; path++)
                r = read_file(&c, *path, o, &e);
        if (r >= 0) {
                capture_sort(&c);
                r = write_rows(&c, o, t);
        }
        if (r < 0) {
                fprintf(stderr, "aikm-packets: %s\n", e.text[0] ? e.text : strerror(-r));
                return EXIT_FAILURE;
        }
        fprintf(stderr, "aikm-packets: %zu packets of %zu files; %zu left out\n", c.n_packets,
                c.n_files, c.n_unknown);
        return EXIT_SUCCESS;
}

static int list(void) {
        for (size_t i = 0; i < PACKET_FIELD_COUNT; i++) {
                const PacketFieldInfo *f = &packet_field_table[i];

                printf("%-32s %-11s %-10s 0..%u  %s\n", f->name, packet_scope_name(f->scope),
                       f->unit, f->max, f->what);
        }
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                {"fields", required_argument, NULL, 'f'},
                {"label", required_argument, NULL, 'l'},
                {"source", required_argument, NULL, 's'},
                {"no-keys", no_argument, NULL, 'k'},
                {"list", no_argument, NULL, 'L'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        Options o = {.source = "pcap", .label = "", .keys = true, .n_fields = PACKET_FIELD_COUNT};

        for (unsigned i = 0; i < PACKET_FIELD_COUNT; i++)
                o.fields[i] = i;
        for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) >= 0;)
                switch (c) {
                case 'f':
                        if (parse_fields(&o, optarg) < 0)
                                return 2;
                        break;
                case 'l':
                        if (!streq(optarg, "0") && !streq(optarg, "1")) {
                                fprintf(stderr, "aikm-packets: --label: '%s' is neither 0 nor 1\n",
                                        optarg);
                                return 2;
                        }
                        o.label = optarg;
                        break;
                case 's':
                        o.source = optarg;
                        break;
                case 'k':
                        o.keys = false;
                        break;
                case 'L':
                        return list();
                case 'h':
                        return usage(stdout, EXIT_SUCCESS);
                default:
                        return usage(stderr, 2);
                }
        if (optind == argc)
                return usage(stderr, 2);
        return run(&o, argv + optind);
}
