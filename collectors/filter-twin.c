/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/filter-twin.h"

#include <errno.h>

/* Open addressing over entries of one size each: used, key, value. */
typedef struct Table {
        size_t key_size;
        size_t value_size;
        size_t n;
        size_t capacity; /* a power of two, or 0 */
        unsigned char *used;
        unsigned char *keys;
        unsigned char *values;
} Table;

struct FilterTwin {
        Table sources;
        Table destinations;
        Table flows;
};

static void table_done(Table *t) {
        free(t->used);
        free(t->keys);
        free(t->values);
        t->used = t->keys = t->values = NULL;
        t->n = t->capacity = 0;
}

/* Keys are whole numbers of words. */
static uint64_t key_hash(const unsigned char *key, size_t size) {
        uint64_t hash = 0, word;

        for (size_t i = 0; i < size; i += sizeof(word)) {
                memcpy(&word, key + i, sizeof(word));
                hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 32;
        }
        return hash;
}

static size_t table_place(const Table *t, const void *key) {
        size_t i = (size_t)key_hash(key, t->key_size) & (t->capacity - 1);

        while (t->used[i] && memcmp(t->keys + i * t->key_size, key, t->key_size) != 0)
                i = (i + 1) & (t->capacity - 1);
        return i;
}

static int table_grow(Table *t) {
        Table bigger = {.key_size = t->key_size, .value_size = t->value_size, .n = t->n};

        bigger.capacity = t->capacity > 0 ? t->capacity * 2 : 256;
        bigger.used = calloc(bigger.capacity, 1);
        bigger.keys = calloc(bigger.capacity, t->key_size);
        bigger.values = calloc(bigger.capacity, t->value_size);
        if (!bigger.used || !bigger.keys || !bigger.values) {
                table_done(&bigger);
                return -ENOMEM;
        }
        for (size_t i = 0; i < t->capacity; i++) {
                size_t k;

                if (!t->used[i])
                        continue;
                k = table_place(&bigger, t->keys + i * t->key_size);
                bigger.used[k] = 1;
                memcpy(bigger.keys + k * t->key_size, t->keys + i * t->key_size, t->key_size);
                memcpy(bigger.values + k * t->value_size, t->values + i * t->value_size,
                       t->value_size);
        }
        table_done(t);
        *t = bigger;
        return 0;
}

/* The value of that key, zeroed where it is new; NULL: out of memory. */
static void *table_get(Table *t, const void *key) {
        size_t i;

        if (t->n * 4 >= t->capacity * 3 && table_grow(t) < 0)
                return NULL;
        i = table_place(t, key);
        if (!t->used[i]) {
                t->used[i] = 1;
                memcpy(t->keys + i * t->key_size, key, t->key_size);
                t->n++;
        }
        return t->values + i * t->value_size;
}

int filter_twin_new(FilterTwin **ret) {
        FilterTwin *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->sources.key_size = t->destinations.key_size = sizeof(struct filter_address);
        t->sources.value_size = t->destinations.value_size = sizeof(struct filter_host);
        t->flows.key_size = sizeof(struct filter_flow_key);
        t->flows.value_size = sizeof(struct filter_flow);
        *ret = t;
        return 0;
}

void filter_twin_reset(FilterTwin *t) {
        table_done(&t->sources);
        table_done(&t->destinations);
        table_done(&t->flows);
}

FilterTwin *filter_twin_free(FilterTwin *t) {
        if (t)
                filter_twin_reset(t);
        free(t);
        return NULL;
}

enum filter_reason filter_twin_parse(const void *frame, size_t size, uint32_t frame_length,
                                     struct filter_packet *ret) {
        const unsigned char *data = frame;

        return filter_parse(data, data + size, frame_length, ret);
}

static struct filter_host *track_host(Table *t, const struct filter_packet *p,
                                      const struct filter_address *self,
                                      const struct filter_address *peer, uint64_t now_ns) {
        struct filter_host *h = table_get(t, self);
        struct filter_step step;

        if (!h)
                return NULL;
        filter_step(p, peer, &step);
        filter_host_update(h, &step, now_ns);
        return h;
}

static struct filter_flow *track_flow(Table *t, const struct filter_packet *p, uint64_t now_ns,
                                      uint32_t *ret_way) {
        struct filter_flow_key key;
        struct filter_flow *flow;

        *ret_way = filter_flow_key(p, &key);
        flow = table_get(t, &key);
        if (flow)
                filter_flow_update(flow, p, *ret_way, now_ns);
        return flow;
}

int filter_twin_update(FilterTwin *t, const struct filter_packet *p, uint64_t now_ns,
                       unsigned scopes, FilterTwinView *ret) {
        FilterTwinView view = {0};

        view.source = track_host(&t->sources, p, &p->source, &p->destination, now_ns);
        if (!view.source)
                return -ENOMEM;
        if (scopes & 1U << PACKET_SCOPE_DESTINATION) {
                view.destination = track_host(&t->destinations, p, &p->destination, &p->source,
                                              now_ns);
                if (!view.destination)
                        return -ENOMEM;
        }
        if (scopes & 1U << PACKET_SCOPE_FLOW) {
                view.flow = track_flow(&t->flows, p, now_ns, &view.way);
                if (!view.flow)
                        return -ENOMEM;
        }
        *ret = view;
        return 0;
}

int filter_twin_track(FilterTwin *t, const struct filter_packet *p, uint64_t now_ns,
                      uint32_t ret_fields[PACKET_FIELD_COUNT]) {
        static const enum packet_scope scopes[] = {
#define X(id, name, unit, scope, max, what) PACKET_SCOPE_##scope,
                PACKET_FIELDS(X)
#undef X
        };
        struct filter_host_view source, destination;
        FilterTwinView view;
        int r;

        r = filter_twin_update(t, p, now_ns, FILTER_TWIN_SCOPES, &view);
        if (r < 0)
                return r;
        filter_host_view(view.source, now_ns, &source);
        filter_host_view(view.destination, now_ns, &destination);
        for (unsigned i = 0; i < PACKET_FIELD_COUNT; i++) {
                if (scopes[i] == PACKET_SCOPE_PACKET)
                        ret_fields[i] = filter_field_packet(i, p);
                else if (scopes[i] == PACKET_SCOPE_SOURCE)
                        ret_fields[i] = filter_field_source(i, &source);
                else if (scopes[i] == PACKET_SCOPE_DESTINATION)
                        ret_fields[i] = filter_field_destination(i, &destination);
                else
                        ret_fields[i] = filter_field_flow(i, view.flow, view.way);
        }
        return 0;
}

void filter_twin_source_fields(const struct filter_host *source, uint64_t now_ns,
                               uint32_t ret_fields[PACKET_FIELD_COUNT]) {
        struct filter_host h = *source;
        struct filter_host_view view;

        filter_roll(&h.fast, now_ns >> FILTER_WINDOW_SHIFT);
        filter_roll(&h.slow, now_ns >> FILTER_SLOW_SHIFT);
        filter_host_view(&h, now_ns, &view);
#define X(id, name, unit, scope, max, what) \
        ret_fields[PACKET_FIELD_##id] = filter_field_source(PACKET_FIELD_##id, &view);
        PACKET_FIELDS_OF_SOURCE(X)
#undef X
}
