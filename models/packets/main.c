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
        Capture capture;
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
              "FILE is a pcap file, or a CSV file of packet headers (its name ends in .csv). "
              "Files\n"
              "are taken one by one, their packets in the order of time; those that the filter "
              "does\n"
              "not judge are left out.\n"
              "\n"
              "  --benign FILE          a pcap file of packets with the label 0\n"
              "  --malicious FILE       a pcap file of packets with the label 1\n"
              "  --fields NAME,NAME...  these fields (default: all)\n"
              "  --no-keys              leave out the columns src, file, line, label, cls\n"
              "  --list                 the fields\n"
              "  -h, --help             this text\n"
              "  --version              the version\n",
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

static int read_file(Capture *c, const char *path, const char *label) {
        size_t n = strlen(path);
        Error e = ERROR_INIT;
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        int r;

        if (!f)
                r = error_set(&e, -errno, "%s: %s", path, strerror(errno));
        else if (n > 4 && streq(path + n - 4, ".csv"))
                r = capture_read_headers(c, f, path, &e);
        else
                r = capture_read_pcap(c, f, path, "pcap", label, &e);
        if (r < 0)
                fprintf(stderr, "aikm-packets: %s\n", e.text[0] ? e.text : strerror(-r));
        return r;
}

static void write_names(const Options *o) {
        if (o->keys)
                fputs("src,file,line,label,cls,", stdout);
        for (size_t k = 0; k < o->n_fields; k++)
                printf("%s%s", k > 0 ? "," : "", packet_field_table[o->fields[k]].name);
        putchar('\n');
}

static int write_rows(const Options *o) {
        _cleanup_(filter_twin_freep)
        FilterTwin *t = NULL;
        const Capture *c = &o->capture;
        uint32_t fields[PACKET_FIELD_COUNT];
        int64_t first_ns = 0;

        if (filter_twin_new(&t) < 0)
                return -ENOMEM;
        write_names(o);
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

static int list(void) {
        for (size_t i = 0; i < PACKET_FIELD_COUNT; i++) {
                const PacketFieldInfo *f = &packet_field_table[i];

                printf("%-32s %-11s %-10s 0..%u  %s\n", f->name, packet_scope_name(f->scope),
                       f->unit, f->max, f->what);
        }
        return EXIT_SUCCESS;
}

/* Returns an exit status, or -1: go on. */
static int parse_option(Options *o, int c) {
        switch (c) {
        case 'b':
        case 'm':
                return read_file(&o->capture, optarg, c == 'm' ? "1" : "0") < 0 ? EXIT_FAILURE : -1;
        case 'f':
                return parse_fields(o, optarg) < 0 ? 2 : -1;
        case 'k':
                o->keys = false;
                return -1;
        case 'l':
                return list();
        case 'v':
                puts("aikm-packets " AIKM_VERSION);
                return EXIT_SUCCESS;
        case 'h':
                return usage(stdout, EXIT_SUCCESS);
        default:
                return usage(stderr, 2);
        }
}

static void options_done(Options *o) {
        capture_done(&o->capture);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                {"benign", required_argument, NULL, 'b'},
                {"malicious", required_argument, NULL, 'm'},
                {"fields", required_argument, NULL, 'f'},
                {"no-keys", no_argument, NULL, 'k'},
                {"list", no_argument, NULL, 'l'},
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, 'v'},
                {NULL, 0, NULL, 0},
        };
        _cleanup_(options_done)
        Options o = {.keys = true, .n_fields = PACKET_FIELD_COUNT};
        int r;

        for (unsigned i = 0; i < PACKET_FIELD_COUNT; i++)
                o.fields[i] = i;
        for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) >= 0;) {
                int status = parse_option(&o, c);

                if (status >= 0)
                        return status;
        }
        for (int i = optind; i < argc; i++)
                if (read_file(&o.capture, argv[i], "") < 0)
                        return EXIT_FAILURE;
        if (o.capture.n_files == 0)
                return usage(stderr, 2);
        capture_sort(&o.capture);
        r = write_rows(&o);
        if (r < 0) {
                fprintf(stderr, "aikm-packets: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        fprintf(stderr, "aikm-packets: %zu packets of %zu files; %zu left out\n",
                o.capture.n_packets, o.capture.n_files, o.capture.n_unknown);
        return EXIT_SUCCESS;
}
