/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-default-filter MODEL.onnx SPEC.json GOOD.pcap BAD.pcap: the shipped model of the traffic
 * filter on packets that it was not trained with: how many of each file's it takes for malicious.
 * Fails where it is more than 1 % of the good ones, or less than 95 % of the bad ones.
 */
#include <errno.h>

#include "models/compiler/feature-spec.h"
#include "models/import-onnx.h"
#include "models/packets/capture.h"
#include "util/io.h"

#include <fcntl.h>

static int read_graph(const char *path, Graph **ret, Error *e) {
        _cleanup_free_
        char *data = NULL;
        size_t size;
        int r = io_read_all_at(AT_FDCWD, path, (size_t)1024 * 1024, &data, &size);

        return r < 0 ? error_set(e, r, "%s: %s", path, strerror(-r))
                     : import_onnx(data, size, ret, e);
}

static int read_spec(const char *path, FeatureSpec *ret, Error *e) {
        _cleanup_free_
        char *data = NULL;
        size_t size;
        int r = io_read_all_at(AT_FDCWD, path, (size_t)1024 * 1024, &data, &size);

        return r < 0 ? error_set(e, r, "%s: %s", path, strerror(-r))
                     : feature_spec_parse(data, size, ret, e);
}

/* Share of the packets that the model gives the label 1, or -errno. */
static double judge(const Graph *g, const FeatureSpec *spec, const char *path, Error *e) {
        _cleanup_(capture_done)
        Capture c = CAPTURE_INIT;
        _cleanup_(filter_twin_freep)
        FilterTwin *t = NULL;
        _cleanup_(tensor_freep)
        Tensor *x = NULL;
        _cleanup_fclose_
        FILE *f = fopen(path, "re");
        Tensor *out[2] = {NULL};
        size_t malicious = 0;

        if (!f || filter_twin_new(&t) < 0 || capture_read_pcap(&c, f, path, "", "", e) < 0 ||
            c.n_packets == 0)
                return -1;
        capture_sort(&c);
        if (tensor_new(ELEMENT_F32, 2,
                       (const int64_t[]){(int64_t)c.n_packets, (int64_t)spec->n_fields}, &x) < 0)
                return -1;
        for (size_t i = 0; i < c.n_packets; i++) {
                uint32_t fields[PACKET_FIELD_COUNT];

                if (filter_twin_track(t, &c.packets[i].packet, (uint64_t)c.packets[i].at_ns,
                                      fields) < 0)
                        return -1;
                for (size_t k = 0; k < spec->n_fields; k++)
                        x->f32[i * spec->n_fields + k] = (float)fields[spec->fields[k]];
        }
        if (graph_run(g, (const Tensor *const[]){x}, 1, out, e) < 0)
                return -1;
        for (size_t i = 0; i < c.n_packets; i++)
                malicious += tensor_get_i64(out[0], i) == 1;
        tensor_free(out[0]);
        tensor_free(out[1]);
        return (double)malicious / (double)c.n_packets;
}

int main(int argc, char **argv) {
        _cleanup_(graph_freep)
        Graph *g = NULL;
        FeatureSpec spec;
        Error e = ERROR_INIT;
        double good, bad;

        if (argc != 5 || read_graph(argv[1], &g, &e) < 0 || read_spec(argv[2], &spec, &e) < 0) {
                printf("%s\n", e.text);
                return EXIT_FAILURE;
        }
        good = judge(g, &spec, argv[3], &e);
        bad = judge(g, &spec, argv[4], &e);
        printf("malicious: %.2f %% of the good packets, %.2f %% of the bad ones %s\n", 100 * good,
               100 * bad, e.text);
        return good >= 0 && good <= 0.01 && bad >= 0.95 ? EXIT_SUCCESS : EXIT_FAILURE;
}
