/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "models/manifest.h"

#define OUTPUTS 6
enum { WEIGHTS_SIZE = 20 + 4 * OUTPUTS * (FEATURE_COUNT + 1) };

_Static_assert(OUTPUTS == _CLASS_COUNT, "the cfg below says so");

static const char *const members[] = {"net.cfg", "net.weights", "m.json", "big.weights"};

static char folder[64];
static char manifest_path[96];
static char good[32768];

static void path_of(const char *name, char *ret, size_t size) {
        snprintf(ret, size, "%s/%s", folder, name);
}

static void write_file(const char *name, const void *data, size_t size) {
        char path[96];
        _cleanup_fclose_
        FILE *f = NULL;

        path_of(name, path, sizeof(path));
        f = fopen(path, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, size, f), size);
}

static void write_members(size_t inputs) {
        unsigned char weights[WEIGHTS_SIZE] = {[4] = 2};
        char cfg[128];

        snprintf(cfg, sizeof(cfg),
                 "[net]\ninputs=%zu\n[connected]\noutput=6\nactivation=linear\n[softmax]\n",
                 inputs);
        write_file("net.cfg", cfg, strlen(cfg));
        weights[20 + 3] = 0x40; /* the first bias is 2 */
        write_file("net.weights", weights,
                   sizeof(weights) - 4 * OUTPUTS * (FEATURE_COUNT - inputs));
}

/* A manifest for the members as they are now. */
static void make_good(void) {
        char path[96], cfg[65], weights[65];
        size_t n = 0;

        path_of("net.cfg", path, sizeof(path));
        assert_int_equal(manifest_digest_file(path, cfg), 0);
        path_of("net.weights", path, sizeof(path));
        assert_int_equal(manifest_digest_file(path, weights), 0);
        n += (size_t)snprintf(
                good + n, sizeof(good) - n,
                "{\"name\": \"mirror\", \"version\": \"1.0\", \"description\": \"d\",\n"
                "\"schema\": \"0x%016" PRIx64 "\",\n"
                "\"classes\": [\"idle\", \"interactive\", \"server\", \"batch\", "
                "\"io\", \"memory\"],\n\"horizon_seconds\": 5,\n"
                "\"cfg\": {\"file\": \"net.cfg\", \"sha256\": \"%s\"},\n"
                "\"weights\": {\"file\": \"net.weights\", \"sha256\": \"%s\"},\n"
                "\"features\": [",
                feature_schema_hash(), cfg, weights);
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                n += (size_t)snprintf(good + n, sizeof(good) - n,
                                      "%s{\"name\": \"%s\", \"mean\": 0.5, \"deviation\": 2}",
                                      i > 0 ? ",\n" : "", feature_table[i].name);
        n += (size_t)snprintf(good + n, sizeof(good) - n,
                              "],\n\"training\": {\"anything\": [1, null, {\"goes\": true}]}}\n");
        assert_true(n < sizeof(good));
}

static int setup(_unused_ void **state) {
        snprintf(folder, sizeof(folder), "/tmp/aikm-manifest-XXXXXX");
        assert_non_null(mkdtemp(folder));
        path_of("m.json", manifest_path, sizeof(manifest_path));
        write_members(FEATURE_COUNT);
        make_good();
        return 0;
}

static int teardown(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                char path[96];

                path_of(members[i], path, sizeof(path));
                unlink(path);
        }
        return rmdir(folder);
}

static void test_good(_unused_ void **state) {
        _cleanup_(model_freep)
        Model *m = NULL;
        float row[FEATURE_COUNT];
        Error error = ERROR_INIT;
        Manifest manifest;
        Prediction p;

        write_file("m.json", good, strlen(good));
        assert_int_equal(manifest_load(manifest_path, &manifest, &error), 0);
        assert_string_equal(error.text, "");
        assert_string_equal(manifest.name, "mirror");
        assert_string_equal(manifest.version, "1.0");
        assert_int_equal(manifest.schema, feature_schema_hash());
        assert_string_equal(manifest.cfg.file, "net.cfg");
        assert_true(manifest.mean[FEATURE_COUNT - 1] == 0.5f);
        assert_true(manifest.deviation[0] == 2.0f);

        assert_int_equal(manifest_load_model(manifest_path, &m, &error), 0);
        assert_string_equal(m->name, "mirror");
        assert_string_equal(m->digest, manifest.weights.sha256);
        for (size_t i = 0; i < FEATURE_COUNT; i++)
                row[i] = 0.5f;
        model_predict(m, row, 1, &p);
        assert_true(fabs((double)p.probability[0] - exp(2) / (exp(2) + 5)) < 1e-6);
}

static void test_digest(_unused_ void **state) {
        char path[96], hex[65];

        write_file("big.weights", "abc", 3);
        path_of("big.weights", path, sizeof(path));
        assert_int_equal(manifest_digest_file(path, hex), 0);
        /* FIPS 180-2, appendix B.1 */
        assert_string_equal(hex,
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        path_of("absent", path, sizeof(path));
        assert_int_equal(manifest_digest_file(path, hex), -ENOENT);
}

/* Each takes the good manifest and puts one text in place of another. */
static const struct {
        const char *from, *to;
        int r;
        const char *word;
} bad[] = {
        {"{\"name\"", "\"name\"", -EINVAL, "m.json: line 1: not JSON"},
        {"true}]}}", "true}]}", -EINVAL, "not JSON"},
        {"true}]}}", "true}]}} x", -EINVAL, "not JSON"},
        {"\"version\": \"1.0\",", "\"version\": \"1.0\", \"colour\": 1,", -EINVAL,
         "unknown key 'colour'"},
        {"\"version\": \"1.0\",", "", -EINVAL, "key 'version' is missing"},
        {"\"version\": \"1.0\"", "\"version\": 1", -EINVAL,
         "'version' must be of type string, not int"},
        {"\"mirror\"", "\"\"", -EINVAL, "'name' must have 1 to 63"},
        {"\"mirror\"", "\"a\\nb\"", -EINVAL, "printable"},
        {"\"mirror\"", "\"a\\u0000b\"", -EINVAL, "printable"},
        {"\"mirror\"", "\"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm\"",
         -EINVAL, "'name' must have"},
        {"\"d\"", "[]", -EINVAL, "'description' must be of type string"},
        {"\"schema\": \"0x", "\"schema\": \"", -EINVAL, "schema must be 0x and 16"},
        {"\"schema\": \"", "\"schema\": 7, \"training\": \"", -EINVAL,
         "'schema' must be of type string"},
        {"\"horizon_seconds\": 5", "\"horizon_seconds\": 0", -EINVAL, "'horizon_seconds'"},
        {"\"horizon_seconds\": 5", "\"horizon_seconds\": \"5\"", -EINVAL, "'horizon_seconds'"},
        {"\"idle\"", "\"lazy\"", -EINVAL, "classes entry 0 must be \"idle\""},
        {"\"idle\", \"interactive\"", "\"interactive\", \"idle\"", -EINVAL, "classes entry 0"},
        {"\"idle\", ", "", -EINVAL, "classes has 5 entries"},
        {"\"memory\"]", "7]", -EINVAL, "classes entry 5"},
        {"\"net.cfg\"", "\"../net.cfg\"", -EINVAL, "plain name"},
        {"\"net.cfg\"", "\"/etc/passwd\"", -EINVAL, "plain name"},
        {"\"net.cfg\"", "\"..\"", -EINVAL, "plain name"},
        {"\"net.cfg\"", "\"absent.cfg\"", -ENOENT, "absent.cfg: No such file"},
        {"\"net.cfg\"", "\"net.weights\"", -EBADMSG, "the cfg's sha256 is"},
        {"\"file\": \"net.cfg\"", "\"file\": \"net.cfg\", \"url\": \"x\"", -EINVAL,
         "unknown key 'url' in cfg"},
        {"\"sha256\": \"", "\"sha256\": \"0", -EINVAL, "sha256"},
        {"\"sha256\": \"", "\"sha512\": \"", -EINVAL, "unknown key 'sha512'"},
        {"\"name\": \"cpu\"", "\"name\": \"CPU\"", -EINVAL,
         "features entry 0 is 'CPU', must be 'cpu'"},
        {"\"name\": \"cpu\", ", "", -EINVAL, "key 'name' is missing"},
        {"\"mean\": 0.5", "\"mean\": NaN", -EINVAL, "'mean' must be finite"},
        {"\"mean\": 0.5", "\"mean\": 1e300", -EINVAL, "'mean' must be finite"},
        {"\"mean\": 0.5", "\"mean\": \"0\"", -EINVAL, "'mean' must be a number"},
        {"\"mean\": 0.5, ", "", -EINVAL, "feature cpu: 'mean' must be a number"},
        {"\"deviation\": 2", "\"deviation\": 0", -EINVAL, "'deviation' must be above 0"},
        {"\"deviation\": 2", "\"deviation\": -1", -EINVAL, "'deviation' must be above 0"},
        {"\"deviation\": 2", "\"deviation\": 1e-300", -EINVAL, "'deviation' must be above 0"},
        {"\"deviation\": 2", "\"variance\": 2", -EINVAL, "unknown key 'variance'"},
        {"{\"name\": \"cpu\", \"mean\": 0.5, \"deviation\": 2},", "", -EINVAL, "features has"},
        {"{\"name\": \"cpu\", \"mean\": 0.5, \"deviation\": 2}", "null", -EINVAL,
         "must be an object"},
        {"\"training\": {", "\"training\": 7, \"description\": {", -EINVAL, "must be of type"},
};

static void expect(const char *text, size_t size, int expected, const char *word) {
        Error error = ERROR_INIT;
        Manifest manifest;
        Model *m = NULL;
        int r;

        write_file("m.json", text, size);
        r = manifest_load(manifest_path, &manifest, &error);
        if (r != expected || !strstr(error.text, word))
                fail_msg("%d '%s', not %d '%s'", r, error.text, expected, word);
        assert_non_null(strstr(error.text, folder));
        assert_int_equal(manifest_load_model(manifest_path, &m, NULL), expected);
        assert_null(m);
}

static void test_bad(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *at = strstr(good, bad[i].from);
                _cleanup_free_
                char *text = NULL;

                assert_non_null(at);
                assert_true(asprintf(&text, "%.*s%s%s", (int)(at - good), good, bad[i].to,
                                     at + strlen(bad[i].from)) > 0);
                expect(text, strlen(text), bad[i].r, bad[i].word);
        }
        expect("", 0, -EINVAL, "not JSON");
        expect("{}\0{}", 5, -EINVAL, "text after the end");
        expect("null", 4, -EINVAL, "must be a JSON object");
        expect("[1]", 3, -EINVAL, "must be a JSON object");
        for (size_t size = 1; size < strlen(good) - 2; size += 97)
                expect(good, size, -EINVAL, "not JSON");
}

static void test_wrong_schema(_unused_ void **state) {
        _cleanup_free_
        char *text = strdup(good);
        char *digit;
        char ours[20];

        assert_non_null(text);
        digit = strstr(text, "\"0x") + 3;
        *digit = *digit == '0' ? '1' : '0';
        expect(text, strlen(text), -EINVAL, "must be retrained");
        snprintf(ours, sizeof(ours), "0x%016" PRIx64, feature_schema_hash());
        expect(text, strlen(text), -EINVAL, ours);
        memcpy(ours, digit - 2, 18);
        expect(text, strlen(text), -EINVAL, ours);
}

static void test_changed_weights(_unused_ void **state) {
        unsigned char weights[WEIGHTS_SIZE] = {[4] = 2};
        char path[96], hex[65];

        write_file("net.weights", weights, sizeof(weights));
        path_of("net.weights", path, sizeof(path));
        assert_int_equal(manifest_digest_file(path, hex), 0);
        expect(good, strlen(good), -EBADMSG, hex);
        expect(good, strlen(good), -EBADMSG, strstr(good, "sha256") ? "the weights's sha256" : "");
        write_members(FEATURE_COUNT);
}

static void test_large(_unused_ void **state) {
        const char *at = strstr(good, "net.weights");
        _cleanup_free_
        char *text = NULL;
        char path[96];

        write_file("big.weights", "", 0);
        path_of("big.weights", path, sizeof(path));
        assert_int_equal(truncate(path, 64 * 1024 * 1024 + 1), 0);
        assert_true(asprintf(&text, "%.*sbig%s", (int)(at - good), good, at + 3) > 0);
        expect(text, strlen(text), -EFBIG, "big.weights: larger than 67108864");
}

/* Well-formed, digests right, and yet not a network for these features. */
static void test_wrong_network(_unused_ void **state) {
        Error error = ERROR_INIT;
        Model *m = NULL;

        write_members(FEATURE_COUNT - 1);
        make_good();
        write_file("m.json", good, strlen(good));
        assert_int_equal(manifest_load_model(manifest_path, &m, &error), -EINVAL);
        assert_non_null(strstr(error.text, "a network of"));

        error = ERROR_INIT;
        write_file("net.cfg", "[net]\ninputs=x\n", 15);
        make_good();
        write_file("m.json", good, strlen(good));
        assert_int_equal(manifest_load_model(manifest_path, &m, &error), -EINVAL);
        assert_non_null(strstr(error.text, "net.cfg: line 2: [net] inputs=x"));
        assert_null(m);

        write_members(FEATURE_COUNT);
        make_good();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_digest),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_wrong_schema),
                cmocka_unit_test(test_changed_weights),
                cmocka_unit_test(test_large),
                cmocka_unit_test(test_wrong_network),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
