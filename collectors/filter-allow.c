/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The allow-list: prefixes as text, and in the kernel's trie. */

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>

#include "collectors/filter-internal.h"
#include "util/io.h"

static const uint8_t mapped[12] = {[10] = 0xff, 0xff};

static bool is_v4(const FilterPrefix *p) {
        return p->length >= 96 && memcmp(p->address, mapped, sizeof(mapped)) == 0;
}

static bool matches(const FilterPrefix *p, const uint8_t *address) {
        unsigned bytes = p->length / 8, bits = p->length % 8;

        return memcmp(p->address, address, bytes) == 0 &&
               (bits == 0 || (p->address[bytes] ^ address[bytes]) >> (8 - bits) == 0);
}

/* Of IPv6, and around all of IPv4. */
static bool is_around_v4(const FilterPrefix *p) {
        return p->length < 96 && matches(p, mapped);
}

bool filter_prefix_holds(const FilterPrefix *p, const uint8_t address[16]) {
        return matches(p, address) &&
               !(is_around_v4(p) && memcmp(address, mapped, sizeof(mapped)) == 0);
}

static bool has_bits_behind(const FilterPrefix *p) {
        for (unsigned i = p->length; i < 128; i++)
                if (p->address[i / 8] >> (7 - i % 8) & 1)
                        return true;
        return false;
}

int filter_prefix_parse(const char *text, FilterPrefix *ret, Error *e) {
        char address[INET6_ADDRSTRLEN];
        const char *slash = strchr(text, '/');
        size_t n = slash ? (size_t)(slash - text) : strlen(text);
        FilterPrefix p = {0};
        uint64_t length;
        unsigned bits;

        if (n >= sizeof(address))
                return error_set(e, -EINVAL, "%s: not an address", text);
        memcpy(address, text, n);
        address[n] = '\0';
        memcpy(p.address, mapped, sizeof(mapped));
        if (inet_pton(AF_INET, address, p.address + sizeof(mapped)) == 1)
                bits = 32;
        else if (inet_pton(AF_INET6, address, p.address) == 1)
                bits = 128;
        else
                return error_set(e, -EINVAL,
                                 "%s: an IPv4 or IPv6 address with an optional /LENGTH is accepted",
                                 text);
        length = bits;
        if (slash && parse_u64(slash + 1, 0, bits, &length) < 0)
                return error_set(e, -EINVAL, "%s: a length from 0 to %u is accepted", text, bits);
        p.length = (unsigned)length + (128 - bits);
        if (has_bits_behind(&p))
                return error_set(e, -EINVAL, "%s: has bits set behind its length of %u", text,
                                 (unsigned)length);
        *ret = p;
        return 0;
}

void filter_prefix_format(const FilterPrefix *p, char *text) {
        char address[INET6_ADDRSTRLEN];
        bool v4 = is_v4(p);

        if (!inet_ntop(v4 ? AF_INET : AF_INET6, p->address + (v4 ? sizeof(mapped) : 0), address,
                       sizeof(address)))
                address[0] = '\0';
        if (p->length == 128)
                (void)snprintf(text, FILTER_PREFIX_TEXT, "%s", address);
        else
                (void)snprintf(text, FILTER_PREFIX_TEXT, "%s/%u", address,
                               p->length - (v4 ? 96 : 0));
}

static struct filter_prefix key_of(const FilterPrefix *p) {
        struct filter_prefix key = {.length = p->length};

        memcpy(key.address, p->address, sizeof(key.address));
        return key;
}

/* A lookup in the trie would find a shorter prefix, too. */
static int allow_has(const Filter *f, const FilterPrefix *p, Error *e) {
        _cleanup_free_
        FilterPrefix *all = NULL;
        struct filter_prefix key = key_of(p);
        uint32_t value;
        size_t n;
        int r;

        if (bpf_map_lookup_elem(f->map_fds[FILTER_MAP_ALLOW], &key, &value) < 0 && errno == ENOENT)
                return 0;
        r = filter_allow_list(f, &all, &n, e);
        if (r < 0)
                return r;
        for (size_t i = 0; all && i < n; i++)
                if (all[i].length == p->length &&
                    memcmp(all[i].address, p->address, sizeof(p->address)) == 0)
                        return 1;
        return 0;
}

int filter_allow_add(Filter *f, const FilterPrefix *p, Error *e) {
        uint32_t value = is_around_v4(p) ? FILTER_ALLOWS_V6 : FILTER_ALLOWS;
        struct filter_prefix key = key_of(p);
        int r;

        r = allow_has(f, p, e);
        if (r != 0)
                return r < 0 ? r : 0;
        if (bpf_map_update_elem(f->map_fds[FILTER_MAP_ALLOW], &key, &value, BPF_ANY) < 0)
                return error_set(e, -errno, "allow-list: %s",
                                 errno == ENOSPC ? "it is full" : strerror(errno));
        return 1;
}

int filter_allow_del(Filter *f, const FilterPrefix *p, Error *e) {
        struct filter_prefix key = key_of(p);

        if (bpf_map_delete_elem(f->map_fds[FILTER_MAP_ALLOW], &key) < 0)
                return errno == ENOENT ? 0
                                       : error_set(e, -errno, "allow-list: %s", strerror(errno));
        return 1;
}

static int compare(const void *a, const void *b) {
        const FilterPrefix *x = a, *y = b;
        int c = memcmp(x->address, y->address, sizeof(x->address));

        return c != 0 ? c : (int)x->length - (int)y->length;
}

int filter_allow_list(const Filter *f, FilterPrefix **ret, size_t *ret_n, Error *e) {
        int fd = f->map_fds[FILTER_MAP_ALLOW];
        struct filter_prefix key, next;
        _cleanup_free_
        FilterPrefix *all = NULL;
        size_t n = 0, room = 0;

        for (bool first = true; bpf_map_get_next_key(fd, first ? NULL : &key, &next) >= 0;
             first = false) {
                key = next;
                if (n == room) {
                        FilterPrefix *more;

                        room = room > 0 ? room * 2 : 64;
                        more = reallocarray(all, room, sizeof(*all));
                        if (!more)
                                return -ENOMEM;
                        all = more;
                }
                all[n].length = key.length;
                memcpy(all[n].address, key.address, sizeof(key.address));
                n++;
        }
        if (errno != ENOENT)
                return error_set(e, -errno, "allow-list: %s", strerror(errno));
        if (n > 0)
                qsort(all, n, sizeof(*all), compare);
        *ret = TAKE_PTR(all);
        *ret_n = n;
        return 0;
}
