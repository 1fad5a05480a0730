/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aikm-record prune: removes the oldest. */

#include <errno.h>
#include <inttypes.h>

#include "record/parse.h"
#include "record/store.h"
#include "record/verbs.h"

static int perform(const char *database, int64_t before, uint64_t size, bool as_json, Error *e) {
        _cleanup_(store_closep)
        Store *store = NULL;
        StorePruned pruned = {0};
        StoreSize now = {0};
        int r;

        r = store_open_existing(database, /* writable= */ true, &store, e);
        if (r >= 0)
                r = store_prune(store, before, size, &pruned, e);
        if (r < 0)
                return r;
        store_shrink(store);
        r = store_get_size(store, &now, e);
        if (r < 0)
                return r;
        printf(as_json ? "{ \"ticks\": %" PRIu64 ", \"bytes\": %" PRIu64 " }\n"
                       : "%" PRIu64 " ticks removed, %" PRIu64 " bytes are left on disk\n",
               pruned.ticks, now.main + now.log);
        return 0;
}

int verb_prune(int argc, char *argv[]) {
        static const struct option options[] = {
                {"database", required_argument, NULL, 'd'},
                {"json", no_argument, NULL, 'j'},
                {"before", required_argument, NULL, 'b'},
                {"max-size", required_argument, NULL, 'm'},
                {},
        };
        int64_t before = INT64_MIN, now = (int64_t)usec_now(CLOCK_REALTIME);
        const char *database = database_default();
        bool as_json = false;
        uint64_t size = 0;
        Error e = ERROR_INIT;
        int c, r = 0;

        while (r >= 0 && (c = getopt_long(argc, argv, "d:j", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        database = optarg;
                        break;
                case 'j':
                        as_json = true;
                        break;
                case 'b':
                        r = parse_when("--before", optarg, now, &before, &e);
                        break;
                case 'm':
                        r = parse_size("--max-size", optarg, &size, &e);
                        if (r >= 0 && size == 0)
                                r = error_set(&e, -EINVAL, "--max-size: 0 is no size");
                        break;
                default:
                        r = error_set(&e, -EINVAL, "unknown option or missing value");
                        break;
                }
        if (r >= 0 && optind != argc)
                r = error_set(&e, -EINVAL, "takes no argument");
        if (r >= 0 && before == INT64_MIN && size == 0)
                r = error_set(&e, -EINVAL, "needs --before TIME or --max-size SIZE");
        if (r < 0)
                return usage_error("prune", "%s", e.text);
        return verb_finish("prune", perform(database, before, size, as_json, &e), &e);
}
