/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.aikm1.Filter: the traffic filters, on an object of their own. */
#include <errno.h>

#include "daemon/bus-file.h"
#include "daemon/bus-method.h"
#include "daemon/bus.h"
#include "daemon/manager-filter.h"
#include "daemon/model-store.h"
#include "models/packet-field.h"

#define TOP_MAX 1000

/* What an errno of manager-filter.h is on the bus. */
static int filter_error(sd_bus_error *error, int r, Error *e) {
        static const struct {
                int error;
                const char *name;
        } names[] = {
                {-EINVAL, BUS_ERROR_MODEL_REFUSED},     {-EOPNOTSUPP, BUS_ERROR_MODEL_REFUSED},
                {-E2BIG, SD_BUS_ERROR_LIMITS_EXCEEDED}, {-ENOSPC, SD_BUS_ERROR_LIMITS_EXCEEDED},
                {-ENODEV, BUS_ERROR_NO_SUCH_INTERFACE}, {-EEXIST, BUS_ERROR_INTERFACE_BUSY},
                {-EBUSY, BUS_ERROR_INTERFACE_BUSY},     {-ENOENT, BUS_ERROR_NO_SUCH_MODEL},
                {-ENXIO, BUS_ERROR_NO_SUCH_FILTER},     {-ENOMEM, SD_BUS_ERROR_NO_MEMORY},
        };
        const char *name = SD_BUS_ERROR_FAILED;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i].error == r)
                        name = names[i].name;
        /* A text that was cut within a character is none for the bus. */
        error_clean(e);
        return sd_bus_error_setf(error, name, "%s", e->text[0] ? e->text : strerror(-r));
}

static int bad_argument(sd_bus_error *error, Error *e) {
        error_clean(e);
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s", e->text);
}

static int no_interface(sd_bus_error *error, const char *interface) {
        Error e = ERROR_INIT;

        (void)error_set(&e, -EINVAL,
                        "\"%.40s\" is not the name of a network interface: up to 15 printable "
                        "ASCII characters without blanks, '/' and ':' are accepted",
                        interface);
        return bad_argument(error, &e);
}

/* The filter of an interface, or an error that names those that there are. */
static FilterEntry *find(Manager *m, const char *interface, sd_bus_error *error) {
        FilterEntry *entry;
        char others[256] = "";
        size_t length = 0;

        manager_check_filters(m);
        entry = filters_find(&m->filters, interface);
        if (entry)
                return entry;
        if (!filter_interface_is_valid(interface)) {
                (void)no_interface(error, interface);
                return NULL;
        }
        for (size_t i = 0; i < m->filters.n && length < sizeof(others); i++)
                length += (size_t)snprintf(others + length, sizeof(others) - length, "%s %s",
                                           i > 0 ? "," : "; there is one on",
                                           m->filters.entries[i]->interface);
        (void)sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_FILTER, "no filter is attached to %.15s%s",
                                interface, others);
        return NULL;
}

/* --- changing -------------------------------------------------------------------------------- */

static void describe_caller(const Caller *caller, char *ret, size_t size) {
        (void)snprintf(ret, size, "asked for by uid %u (%s)", caller->uid, caller->comm);
}

static int attach(sd_bus_message *request, Manager *m, const Caller *caller, const char *interface,
                  FilterFile *model, sd_bus_error *error) {
        char who[LEDGER_VALUE_MAX];
        Error e = ERROR_INIT;
        int r;

        describe_caller(caller, who, sizeof(who));
        manager_check_filters(m);
        r = manager_attach_filter(m, interface, model, who, &e);
        filter_file_done(model);
        return r < 0 ? filter_error(error, r, &e) : sd_bus_reply_method_return(request, NULL);
}

int bus_filter_attach(sd_bus_message *request, Manager *m, const Caller *caller,
                      sd_bus_error *error) {
        FilterFolders in = manager_filter_folders(m);
        const char *interface, *name;
        Error e = ERROR_INIT;
        FilterFile model;
        int r;

        r = sd_bus_message_read(request, "ss", &interface, &name);
        if (r < 0)
                return r;
        if (!filter_interface_is_valid(interface))
                return no_interface(error, interface);
        if (name[0] == '/' && caller->uid != 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                        "only root may name a file; others name a model");
        r = filter_file_read(&in, name[0] ? name : FILTER_MODEL_DEFAULT, &model, &e);
        if (r < 0)
                return filter_error(error, r, &e);
        return attach(request, m, caller, interface, &model, error);
}

int bus_filter_attach_object(sd_bus_message *request, Manager *m, const Caller *caller,
                             sd_bus_error *error) {
        _cleanup_free_
        char *object = NULL, *sheet = NULL;
        size_t size = 0, sheet_size = 0;
        const char *interface, *name;
        Error e = ERROR_INIT;
        FilterFile model;
        int fds[2], r;

        r = sd_bus_message_read(request, "sshh", &interface, &name, &fds[0], &fds[1]);
        if (r < 0)
                return r;
        /* What runs in the kernel on every packet is root's to choose. */
        if (caller->uid != 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                        "only root may bring a file; others name a model");
        if (!filter_interface_is_valid(interface))
                return no_interface(error, interface);
        if (!model_name_is_valid(name))
                return sd_bus_error_set(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "a model's name has letters, digits and \"._+-\" in it, and "
                        "begins with a letter or digit");
        r = bus_read_sealed(fds[0], "object", FILTER_OBJECT_SIZE_MAX, &object, &size, &e);
        if (r >= 0)
                r = bus_read_sealed(fds[1], "sheet", FILTER_SHEET_SIZE_MAX, &sheet, &sheet_size,
                                    &e);
        if (r >= 0)
                r = filter_file_init(name, TAKE_PTR(object), size, sheet_size > 0 ? sheet : NULL,
                                     &model, &e);
        if (r < 0)
                return filter_error(error, r, &e);
        return attach(request, m, caller, interface, &model, error);
}

int bus_filter_detach(sd_bus_message *request, Manager *m, const Caller *caller,
                      sd_bus_error *error) {
        const char *interface;
        Error e = ERROR_INIT;
        int r;

        r = sd_bus_message_read(request, "s", &interface);
        if (r < 0)
                return r;
        if (!find(m, interface, error))
                return -ENOENT;
        r = manager_detach_filter(m, interface, &e);
        return r < 0 ? filter_error(error, r, &e) : sd_bus_reply_method_return(request, NULL);
}

int bus_filter_set_mode(sd_bus_message *request, Manager *m, const Caller *caller,
                        sd_bus_error *error) {
        const char *interface, *text;
        Error e = ERROR_INIT;
        uint64_t duration;
        int mode, r;

        r = sd_bus_message_read(request, "sst", &interface, &text, &duration);
        if (r < 0)
                return r;
        mode = filter_mode_from_string(text);
        if (mode != FILTER_MODE_SHADOW && mode != FILTER_MODE_ENFORCE)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "the mode is not one of shadow, enforce");
        if (!find(m, interface, error))
                return -ENOENT;
        r = manager_set_filter_mode(m, interface, (FilterMode)mode, duration, &e);
        if (r == -EINVAL)
                return bad_argument(error, &e);
        return r < 0 ? filter_error(error, r, &e) : sd_bus_reply_method_return(request, NULL);
}

int bus_filter_set_kill_switch(sd_bus_message *request, Manager *m, const Caller *caller,
                               sd_bus_error *error) {
        const char *interface;
        Error e = ERROR_INIT;
        uint64_t packets_min;
        double share;
        int r;

        r = sd_bus_message_read(request, "sdt", &interface, &share, &packets_min);
        if (r < 0)
                return r;
        if (!find(m, interface, error))
                return -ENOENT;
        r = manager_set_filter_kill_switch(m, interface, share, packets_min, &e);
        if (r == -EINVAL)
                return bad_argument(error, &e);
        return r < 0 ? filter_error(error, r, &e) : sd_bus_reply_method_return(request, NULL);
}

static int change_allowed(sd_bus_message *request, Manager *m, sd_bus_error *error,
                          int (*change)(Filter *f, const FilterPrefix *p, Error *e)) {
        const char *interface, *text;
        const FilterEntry *entry;
        Error e = ERROR_INIT;
        FilterPrefix prefix;
        int r;

        r = sd_bus_message_read(request, "ss", &interface, &text);
        if (r < 0)
                return r;
        if (filter_prefix_parse(text, &prefix, &e) < 0)
                return bad_argument(error, &e);
        entry = find(m, interface, error);
        if (!entry)
                return -ENOENT;
        r = change(entry->filter, &prefix, &e);
        return r < 0 ? filter_error(error, r, &e) : sd_bus_reply_method_return(request, "b", r > 0);
}

int bus_filter_add_allowed(sd_bus_message *request, Manager *m, const Caller *caller,
                           sd_bus_error *error) {
        return change_allowed(request, m, error, filter_allow_add);
}

int bus_filter_remove_allowed(sd_bus_message *request, Manager *m, const Caller *caller,
                              sd_bus_error *error) {
        return change_allowed(request, m, error, filter_allow_del);
}

/* --- looking --------------------------------------------------------------------------------- */

static void append_number(Reply *reply, const char *key, uint64_t value) {
        reply_append(reply, "{sd}", key, (double)value);
}

/* "2", or "2 scan" where it has a name. */
static void class_text(const FilterEntry *entry, uint32_t class, char ret[64]) {
        const char *name = filter_file_class(&entry->model, class);

        (void)snprintf(ret, 64, "%u%s%s", class, name[0] ? " " : "", name);
}

static void append_sums(Reply *reply, const struct filter_counters *c) {
        static const struct {
                const char *name;
                enum filter_verdict verdict;
        } verdicts[] = {
                {"Benign", FILTER_BENIGN},
                {"Malicious", FILTER_MALICIOUS},
                {"Allowed", FILTER_ALLOWED},
                {"Unknown", FILTER_UNKNOWN},
        };
        uint64_t packets = 0, bytes = 0;

        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++) {
                const struct filter_sum *sum = &c->verdict[verdicts[i].verdict];

                packets += sum->packets;
                bytes += sum->bytes;
                reply_put_u64(reply, verdicts[i].name, sum->packets);
        }
        reply_put_u64(reply, "Packets", packets);
        reply_put_u64(reply, "Bytes", bytes);
        reply_put_u64(reply, "Dropped", c->dropped.packets);
        reply_put_u64(reply, "DroppedBytes", c->dropped.bytes);
}

static void append_counters(Reply *reply, const FilterEntry *entry) {
        struct filter_counters c;
        int r;

        r = filter_get_counters(entry->filter, FILTER_SLOT_COUNT, NULL, &c, /* e= */ NULL);
        if (r < 0) {
                reply_fail(reply, r);
                return;
        }
        append_sums(reply, &c);
        reply_open_array(reply, "Classes", "{sd}");
        for (uint32_t i = 0; i < FILTER_CLASSES; i++) {
                char text[64];

                class_text(entry, i, text);
                if (c.class[i] > 0)
                        append_number(reply, text, c.class[i]);
        }
        reply_close_array(reply);
        reply_open_array(reply, "Reasons", "{sd}");
        for (unsigned i = FILTER_KNOWN + 1; i < FILTER_REASON_COUNT; i++)
                if (c.reason[i] > 0)
                        append_number(reply, filter_reason_text((enum filter_reason)i),
                                      c.reason[i]);
        reply_close_array(reply);
}

static void append_mode(Reply *reply, const FilterEntry *entry, const FilterStatus *s,
                        uint64_t now) {
        reply_put_string(reply, "Mode", s->enforcing ? "enforce" : "shadow");
        if (s->enforcing && entry->lease_ns > now)
                reply_put_u64(reply, "LeaseUSec", (entry->lease_ns - now) / NSEC_PER_USEC);
        reply_put_bool(reply, "ByPolicy", entry->by_policy);
        reply_put_bool(reply, "PolicyEnforces", entry->policy_enforces);
        reply_put_bool(reply, "Suspended", entry->suspended);
        reply_put_bool(reply, "Tripped", s->tripped_ns > 0);
        reply_put_u64(reply, "Trips", s->trips);
        reply_put_double(reply, "KillShare", (double)s->kill_permille / 1000);
        reply_put_u64(reply, "KillMin", s->kill_packets_min);
}

static void append_entry(Reply *reply, const FilterEntry *entry) {
        uint64_t now = filter_now();
        char identity[20];
        FilterStatus s;
        int r;

        r = filter_get_status(entry->filter, now, &s, /* e= */ NULL);
        if (r < 0) {
                reply_fail(reply, r);
                return;
        }
        (void)snprintf(identity, sizeof(identity), "%016" PRIx64, s.model);
        reply_put_string(reply, "Interface", entry->interface);
        reply_put_u32(reply, "Index", entry->index);
        reply_put_string(reply, "Path", filter_path_name(s.path));
        reply_put_string(reply, "Model", entry->model.name);
        reply_put_string(reply, "ModelIdentity", identity);
        append_mode(reply, entry, &s, now);
        reply_put_u64(reply, "SampleIntervalUSec",
                      s.sample_interval_ns[FILTER_MALICIOUS] / NSEC_PER_USEC);
        reply_put_u64(reply, "Samples", entry->n_recent);
        reply_put_u64(reply, "SamplesLost", s.samples_lost);
        reply_put_u64(reply, "Memory", filter_get_memory(entry->filter));
        append_counters(reply, entry);
}

int bus_filter_list(sd_bus_message *request, Manager *m, const Caller *caller,
                    sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = reply_begin(request, "a{sv}");

        manager_check_filters(m);
        for (size_t i = 0; i < m->filters.n; i++) {
                reply_open_row(&reply);
                append_entry(&reply, m->filters.entries[i]);
                reply_close_row(&reply);
        }
        return reply_send(&reply);
}

int bus_filter_list_allowed(sd_bus_message *request, Manager *m, const Caller *caller,
                            sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = {};
        _cleanup_free_
        FilterPrefix *prefixes = NULL;
        const FilterEntry *entry;
        const char *interface;
        Error e = ERROR_INIT;
        size_t n = 0;
        int r;

        r = sd_bus_message_read(request, "s", &interface);
        if (r < 0)
                return r;
        entry = find(m, interface, error);
        if (!entry)
                return -ENOENT;
        r = filter_allow_list(entry->filter, &prefixes, &n, &e);
        if (r < 0)
                return filter_error(error, r, &e);
        reply = reply_begin(request, "s");
        for (size_t i = 0; i < n; i++) {
                char text[FILTER_PREFIX_TEXT];

                filter_prefix_format(&prefixes[i], text);
                reply_append(&reply, "s", text);
        }
        return reply_send(&reply);
}

static void address_text(const uint8_t address[16], char ret[FILTER_PREFIX_TEXT]) {
        FilterPrefix whole = {.length = 128};

        memcpy(whole.address, address, sizeof(whole.address));
        filter_prefix_format(&whole, ret);
}

static void append_source(Reply *reply, const FilterEntry *entry, const FilterSource *s,
                          uint64_t now) {
        char text[64];

        class_text(entry, s->class, text);
        reply_put_u64(reply, "Packets", s->packets);
        reply_put_u64(reply, "Bytes", s->bytes);
        reply_put_u64(reply, "Malicious", s->malicious);
        reply_put_u64(reply, "Dropped", s->dropped);
        reply_put_string(reply, "Class", text);
        reply_put_u64(reply, "AgeUSec", (now - MIN(now, s->first_ns)) / NSEC_PER_USEC);
        reply_put_u64(reply, "SilentUSec", (now - MIN(now, s->last_ns)) / NSEC_PER_USEC);
}

/* As with a packet socket: what comes in from whom is for nobody else to see. */
static int check_may_see(const Caller *caller, sd_bus_error *error) {
        if (caller->uid == 0)
                return 0;
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                "only root may see whose packets come in");
}

int bus_filter_top(sd_bus_message *request, Manager *m, const Caller *caller, sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = {};
        _cleanup_free_
        FilterSource *sources = NULL;
        uint64_t now = filter_now();
        const FilterEntry *entry;
        const char *interface;
        Error e = ERROR_INIT;
        uint32_t max;
        ssize_t n;
        int r;

        r = sd_bus_message_read(request, "su", &interface, &max);
        if (r >= 0)
                r = check_may_see(caller, error);
        if (r < 0)
                return r;
        entry = find(m, interface, error);
        if (!entry)
                return -ENOENT;
        max = CLAMP(max, 1U, (uint32_t)TOP_MAX);
        sources = calloc(max, sizeof(*sources));
        if (!sources)
                return -ENOMEM;
        n = filter_top(entry->filter, now, sources, max, &e);
        if (n < 0)
                return filter_error(error, (int)n, &e);
        reply = reply_begin(request, "a{sv}");
        for (ssize_t i = 0; i < n; i++) {
                char text[FILTER_PREFIX_TEXT];

                address_text(sources[i].address, text);
                reply_open_row(&reply);
                reply_put_string(&reply, "Source", text);
                append_source(&reply, entry, &sources[i], now);
                reply_close_row(&reply);
        }
        return reply_send(&reply);
}

/* What the model saw of a packet. */
static void append_sample(Reply *reply, const FilterEntry *entry,
                          const struct filter_sample *sample, uint64_t now) {
        char text[64], to[FILTER_PREFIX_TEXT];
        FilterStatus s;
        int r;

        class_text(entry, sample->class, text);
        address_text(sample->destination, to);
        reply_put_u64(reply, "SampleAgeUSec", (now - MIN(now, sample->at_ns)) / NSEC_PER_USEC);
        reply_put_string(reply, "SampleVerdict",
                         filter_verdict_name((enum filter_verdict)sample->verdict));
        reply_put_string(reply, "SampleReason",
                         filter_reason_text((enum filter_reason)sample->reason));
        reply_put_bool(reply, "SampleDropped", sample->dropped);
        reply_put_string(reply, "SampleClass", text);
        reply_put_string(reply, "SampleDestination", to);
        reply_put_u32(reply, "SampleProtocol", sample->protocol);
        reply_put_u32(reply, "SampleSourcePort", sample->source_port);
        reply_put_u32(reply, "SampleDestinationPort", sample->destination_port);
        r = filter_get_status(entry->filter, now, &s, /* e= */ NULL);
        reply_fail(reply, r);
        /* Of a model that was replaced since nobody knows the fields any more. */
        if (r < 0 || s.model != sample->model)
                return;
        reply_open_array(reply, "SampleFields", "{sd}");
        for (size_t i = 0; i < MIN((size_t)sample->n_fields, s.n_fields); i++)
                append_number(reply, packet_field_table[s.fields[i]].name, sample->fields[i]);
        reply_close_array(reply);
}

static void append_fields(Reply *reply, const FilterSource *s) {
        reply_open_array(reply, "Fields", "{sd}");
        for (size_t i = 0; i < PACKET_FIELD_COUNT; i++)
                if (packet_field_table[i].scope == PACKET_SCOPE_SOURCE)
                        append_number(reply, packet_field_table[i].name, s->fields[i]);
        reply_close_array(reply);
}

static void append_explanation(Reply *reply, const FilterEntry *entry, const FilterExplanation *x,
                               uint64_t now) {
        const struct filter_sample *sample = filter_entry_sample(entry, x->source.address);
        char text[FILTER_PREFIX_TEXT];

        address_text(x->source.address, text);
        reply_put_string(reply, "Source", text);
        reply_put_string(reply, "Model", entry->model.name);
        reply_put_bool(reply, "Known", x->known);
        if (x->allowed) {
                filter_prefix_format(&x->allowed_by, text);
                reply_put_string(reply, "AllowedBy", text);
        }
        reply_put_u64(reply, "Flows", x->n_flows);
        if (x->known) {
                append_source(reply, entry, &x->source, now);
                append_fields(reply, &x->source);
        }
        if (sample)
                append_sample(reply, entry, sample, now);
}

int bus_filter_explain(sd_bus_message *request, Manager *m, const Caller *caller,
                       sd_bus_error *error) {
        _cleanup_(reply_done)
        Reply reply = {};
        const char *interface, *text;
        uint64_t now = filter_now();
        const FilterEntry *entry;
        FilterExplanation x;
        FilterPrefix source;
        Error e = ERROR_INIT;
        int r;

        r = sd_bus_message_read(request, "ss", &interface, &text);
        if (r >= 0)
                r = check_may_see(caller, error);
        if (r < 0)
                return r;
        if (filter_prefix_parse(text, &source, &e) < 0)
                return bad_argument(error, &e);
        if (source.length != 128)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "%.60s: one address is accepted, not a prefix", text);
        entry = find(m, interface, error);
        if (!entry)
                return -ENOENT;
        r = filter_explain(entry->filter, source.address, now, &x, &e);
        if (r < 0)
                return filter_error(error, r, &e);
        reply = reply_begin(request, "{sv}");
        append_explanation(&reply, entry, &x, now);
        return reply_send(&reply);
}

const sd_bus_vtable bus_filter_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", filters),
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Attach", SD_BUS_ARGS("s", interface, "s", model), SD_BUS_NO_RESULT,
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AttachObject",
                                SD_BUS_ARGS("s", interface, "s", model, "h", object, "h", sheet),
                                SD_BUS_NO_RESULT, bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Detach", SD_BUS_ARGS("s", interface), SD_BUS_NO_RESULT,
                                bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetMode",
                                SD_BUS_ARGS("s", interface, "s", mode, "t", duration_usec),
                                SD_BUS_NO_RESULT, bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetKillSwitch",
                                SD_BUS_ARGS("s", interface, "d", share, "t", packets_min),
                                SD_BUS_NO_RESULT, bus_on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AddAllowed", SD_BUS_ARGS("s", interface, "s", prefix),
                                SD_BUS_RESULT("b", added), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveAllowed", SD_BUS_ARGS("s", interface, "s", prefix),
                                SD_BUS_RESULT("b", removed), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListAllowed", SD_BUS_ARGS("s", interface),
                                SD_BUS_RESULT("as", prefixes), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Top", SD_BUS_ARGS("s", interface, "u", n_sources),
                                SD_BUS_RESULT("aa{sv}", sources), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("s", interface, "s", source),
                                SD_BUS_RESULT("a{sv}", explanation), bus_on_method,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Changed", SD_BUS_ARGS("s", interface, "s", what), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Tripped", SD_BUS_ARGS("s", interface, "t", trips), 0),
        SD_BUS_VTABLE_END,
};
