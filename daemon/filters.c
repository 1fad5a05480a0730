/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/filters.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/epoll.h>

#include "util/io.h"
#include "util/macro.h"

_Static_assert(FILTER_INTERFACE_MAX == IF_NAMESIZE, "names of interfaces fit");

void filters_init(Filters *f, const char *pin_root) {
        *f = (Filters){};
        (void)snprintf(f->pin_root, sizeof(f->pin_root), "%s", pin_root);
}

static FilterEntry *entry_free(FilterEntry *entry) {
        if (!entry)
                return NULL;
        sd_event_source_disable_unref(entry->samples_source);
        filter_free(entry->filter);
        filter_file_done(&entry->model);
        free(entry->recent);
        free(entry);
        return NULL;
}
DEFINE_CLEANUP(FilterEntry *, entry_free);

void filters_done(Filters *f) {
        while (f->n > 0)
                entry_free(f->entries[--f->n]);
}

FilterEntry *filters_find(const Filters *f, const char *interface) {
        for (size_t i = 0; i < f->n; i++)
                if (streq(f->entries[i]->interface, interface))
                        return f->entries[i];
        return NULL;
}

/* By number, for a bpffs takes no name with a dot in it, and VLANs' have one. */
void filters_pin_dir(const Filters *f, unsigned index, char *ret, size_t size) {
        (void)snprintf(ret, size, "%s/if%u", f->pin_root, index);
}

static int entry_new(const Filters *f, FilterEntry **ret, Error *e) {
        FilterEntry *entry;

        if (f->n == FILTERS_MAX)
                return error_set(e, -E2BIG, "%zu filters are attached, which is as many as can be",
                                 f->n);
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return error_set(e, -ENOMEM, "out of memory");
        entry->kill_permille = FILTER_KILL_PERMILLE;
        entry->kill_min = FILTER_KILL_PACKETS_MIN;
        *ret = entry;
        return 0;
}

/* Of a model only what is needed to speak of it. */
static void remember_model(FilterEntry *entry, const FilterFile *model) {
        filter_file_done(&entry->model);
        entry->model = *model;
        entry->model.data = NULL;
        entry->model.size = 0;
}

int filters_attach(Filters *f, const char *interface, unsigned index, const FilterFile *model,
                   bool generic, FilterEntry **ret, Error *e) {
        FilterModel m = filter_file_model(model);
        FilterOptions options = {.generic = generic};
        _cleanup_(entry_freep)
        FilterEntry *entry = NULL;
        int r;

        r = entry_new(f, &entry, e);
        if (r < 0)
                return r;
        (void)snprintf(entry->interface, sizeof(entry->interface), "%s", interface);
        entry->index = index;
        filters_pin_dir(f, index, entry->pin_dir, sizeof(entry->pin_dir));
        options.pin_dir = entry->pin_dir;
        r = filter_attach(index, &m, &options, &entry->filter, e);
        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        remember_model(entry, model);
        *ret = f->entries[f->n++] = TAKE_PTR(entry);
        return 0;
}

int filters_adopt(Filters *f, const char *pin_dir, const FilterFolders *in, FilterEntry **ret,
                  Error *e) {
        FilterFile model = FILTER_FILE_INIT;
        _cleanup_(entry_freep)
        FilterEntry *entry = NULL;
        FilterStatus status;
        int r;

        r = entry_new(f, &entry, e);
        if (r < 0)
                return r;
        (void)snprintf(entry->pin_dir, sizeof(entry->pin_dir), "%s", pin_dir);
        r = filter_adopt(pin_dir, &entry->filter, e);
        if (r >= 0)
                r = filter_get_status(entry->filter, 0, &status, e);
        if (r >= 0 && (!status.attached || !if_indextoname(status.interface, entry->interface)))
                r = error_set(e, -ESTALE, "%s: its interface is gone", pin_dir);
        if (r < 0)
                return error_set(e, r, "%s: %s", pin_dir, strerror(-r));
        for (char *p = entry->interface; *p; p++)
                if (*p <= ' ' || *p > '~')
                        *p = '?';
        entry->index = status.interface;
        /* What tripped while nobody looked is still to be told. */
        entry->trips = status.trips - (status.tripped_ns > 0 && status.trips > 0);
        if (status.enforce_until_ns != FILTER_FOREVER)
                entry->lease_ns = status.enforce_until_ns;
        if (filter_file_find(in, status.model, &model) >= 0)
                remember_model(entry, &model);
        else
                (void)snprintf(entry->model.name, sizeof(entry->model.name), "%016" PRIx64,
                               status.model);
        filter_file_done(&model);
        entry->model.identity = status.model;
        *ret = f->entries[f->n++] = TAKE_PTR(entry);
        return 0;
}

void filters_drop(Filters *f, FilterEntry *entry) {
        size_t i = 0;

        while (f->entries[i] != entry)
                i++;
        f->n--;
        memmove(&f->entries[i], &f->entries[i + 1], (f->n - i) * sizeof(f->entries[0]));
        entry_free(entry);
}

void filters_each_pin(const char *pin_root, void (*f)(const char *pin_dir, void *userdata),
                      void *userdata) {
        _cleanup_closedir_ DIR *dir = NULL;

        if (io_open_dir_at(AT_FDCWD, pin_root, &dir) < 0)
                return;
        for (struct dirent *d; (d = readdir(dir));) {
                char pin_dir[sizeof(((FilterEntry *)0)->pin_dir)];
                uint64_t index;
                int n;

                if (strncmp(d->d_name, "if", 2) != 0 ||
                    parse_u64(d->d_name + 2, 1, INT32_MAX, &index) < 0)
                        continue;
                n = snprintf(pin_dir, sizeof(pin_dir), "%s/%s", pin_root, d->d_name);
                if (n >= 0 && (size_t)n < sizeof(pin_dir))
                        f(pin_dir, userdata);
        }
}

typedef struct ClearCount {
        size_t detached, failed;
} ClearCount;

static void clear_pin(const char *pin_dir, void *userdata) {
        ClearCount *count = userdata;

        if (filter_clear(pin_dir, /* e= */ NULL) < 0)
                count->failed++;
        else
                count->detached++;
}

void filters_clear(const char *pin_root, size_t *ret_detached, size_t *ret_failed) {
        ClearCount count = {};

        filters_each_pin(pin_root, clear_pin, &count);
        (void)rmdir(pin_root);
        *ret_detached = count.detached;
        *ret_failed = count.failed;
}

int filter_entry_swap(FilterEntry *entry, const FilterFile *model, Error *e) {
        FilterModel m = filter_file_model(model);
        int r = filter_swap(entry->filter, &m, e);

        if (r < 0)
                return error_set(e, r, "%s", strerror(-r));
        remember_model(entry, model);
        return 0;
}

uint64_t filter_entry_until(const FilterEntry *entry, bool policy_allows, uint64_t now_ns) {
        uint64_t until = entry->lease_ns > now_ns ? entry->lease_ns : 0;

        if (policy_allows && entry->policy_enforces && !entry->suspended)
                until = MAX(until, now_ns + FILTER_POLICY_LEASE_NS);
        return until;
}

void filter_entry_end_lease(FilterEntry *entry) {
        if (entry->lease_ns == 0)
                return;
        entry->lease_ns = 0;
        (void)filter_set_kill_switch(entry->filter, entry->kill_permille, entry->kill_min);
}

void filter_entry_enforce(FilterEntry *entry, bool policy_allows, uint64_t now_ns) {
        if (entry->lease_ns <= now_ns)
                filter_entry_end_lease(entry);
        filter_set_enforce(entry->filter, filter_entry_until(entry, policy_allows, now_ns));
}

static int allow_only(Filter *f, const FilterSetting *s, Error *e) {
        _cleanup_free_
        FilterPrefix *have = NULL;
        size_t n_have = 0;
        int r;

        for (size_t i = 0; i < s->n_allow; i++) {
                FilterPrefix p;

                r = filter_prefix_parse(s->allow[i], &p, e);
                if (r >= 0)
                        r = filter_allow_add(f, &p, e);
                if (r < 0)
                        return r;
        }
        r = filter_allow_list(f, &have, &n_have, e);
        for (size_t i = 0; r >= 0 && i < n_have; i++) {
                char text[FILTER_PREFIX_TEXT];
                bool wanted = false;

                filter_prefix_format(&have[i], text);
                for (size_t k = 0; k < s->n_allow && !wanted; k++)
                        wanted = streq(text, s->allow[k]);
                if (!wanted)
                        r = filter_allow_del(f, &have[i], e);
        }
        return r < 0 ? r : 0;
}

int filter_entry_configure(FilterEntry *entry, const FilterSetting *s, Error *e) {
        uint64_t interval = s->sample_interval * NSEC_PER_USEC;
        int r;

        entry->kill_permille = (uint32_t)(s->kill_share * 1000.0f + 0.5f);
        entry->kill_min = s->kill_min;
        r = filter_set_kill_switch(entry->filter, entry->kill_permille, entry->kill_min);
        if (r < 0)
                return error_set(e, r, "kill_share and kill_min of %s: %s", entry->interface,
                                 strerror(-r));
        filter_set_sampling(entry->filter, FILTER_MALICIOUS, interval);
        filter_set_sampling(entry->filter, FILTER_BENIGN, interval);
        filter_set_sampling(entry->filter, FILTER_UNKNOWN, interval);
        return allow_only(entry->filter, s, e);
}

static void on_sample(const struct filter_sample *sample, void *userdata) {
        FilterEntry *entry = userdata;

        entry->recent[entry->n_recent++ % FILTER_RECENT] = *sample;
}

static int on_samples(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        FilterEntry *entry = userdata;

        /* A ring that cannot be read would wake the loop for ever. */
        if (filter_samples_dispatch(entry->filter) < 0)
                entry->samples_source = sd_event_source_disable_unref(entry->samples_source);
        return 0;
}

int filter_entry_listen(FilterEntry *entry, sd_event *event, Error *e) {
        int r;

        entry->recent = calloc(FILTER_RECENT, sizeof(*entry->recent));
        if (!entry->recent)
                return error_set(e, -ENOMEM, "out of memory");
        r = filter_samples_open(entry->filter, on_sample, entry, e);
        if (r >= 0)
                r = sd_event_add_io(event, &entry->samples_source, filter_samples_fd(entry->filter),
                                    EPOLLIN, on_samples, entry);
        return r < 0 ? error_set(e, r, "samples of %s: %s", entry->interface, strerror(-r)) : 0;
}

const struct filter_sample *filter_entry_sample(const FilterEntry *entry,
                                                const uint8_t address[16]) {
        size_t n = MIN(entry->n_recent, (size_t)FILTER_RECENT);
        const struct filter_sample *found = NULL;

        for (size_t i = 1; i <= n; i++) {
                const struct filter_sample
                        *s = &entry->recent[(entry->n_recent - i) % FILTER_RECENT];

                if (memcmp(s->source, address, sizeof(s->source)) != 0)
                        continue;
                if (s->verdict == FILTER_MALICIOUS)
                        return s;
                if (!found)
                        found = s;
        }
        return found;
}
