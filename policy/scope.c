/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/scope.h"
#include "util/io.h"

static const char *const kind_names[_SCOPE_KIND_COUNT] = {
        [SCOPE_MACHINE] = "machine", [SCOPE_UNIT] = "unit", [SCOPE_CGROUP] = "cgroup",
        [SCOPE_SESSION] = "session", [SCOPE_UID] = "uid",   [SCOPE_TREE] = "tree",
};

bool cgroup_is_below(const char *cgroup, const char *top) {
        size_t n = strlen(top);

        if (!cgroup[0])
                return false;
        while (n > 0 && top[n - 1] == '/')
                n--;
        return strncmp(cgroup, top, n) == 0 && (cgroup[n] == '\0' || cgroup[n] == '/');
}

static bool entry_contains(const ScopeEntry *e, const ScopeSubject *s) {
        switch (e->kind) {
        case SCOPE_MACHINE:
                return true;
        case SCOPE_UNIT:
                return s->ident && s->ident->unit[0] && fnmatch(e->text, s->ident->unit, 0) == 0;
        case SCOPE_CGROUP:
                return s->ident && cgroup_is_below(s->ident->cgroup, e->text);
        case SCOPE_SESSION:
                return (s->proc->valid & SAMPLE_TTY) && (uint32_t)s->proc->sid == e->number;
        case SCOPE_UID:
                return (s->proc->valid & SAMPLE_UID) && s->proc->uid == e->number;
        case SCOPE_TREE:
                for (size_t i = 0; i < s->n_ancestors; i++)
                        if ((uint32_t)s->ancestors[i] == e->number)
                                return true;
                return false;
        case _SCOPE_KIND_COUNT:
                break;
        }
        return false;
}

/* What is unknown of a process keeps it out: only what is known to be inside is ever touched. */
bool scope_contains(const ScopeEntry *scope, size_t n_scope, const ScopeSubject *s) {
        for (size_t i = 0; i < n_scope; i++)
                if (entry_contains(scope + i, s))
                        return true;
        return false;
}

static int parse_number(const char *text, ScopeEntry *ret, Error *e) {
        /* The kernel's PID_MAX_LIMIT is 2^22; uid -1 means "no change" to every call that takes
         * one. */
        uint64_t min = ret->kind == SCOPE_UID ? 0 : 1;
        uint64_t max = ret->kind == SCOPE_UID ? UINT32_MAX - 1 : 1 << 22, number;
        int r;

        r = parse_u64(text, min, max, &number);
        if (r < 0)
                return error_set(e, r, "scope \"%s:%s\": not a number from %llu to %llu",
                                 kind_names[ret->kind], text, (unsigned long long)min,
                                 (unsigned long long)max);
        ret->number = (uint32_t)number;
        return 0;
}

static int parse_text(const char *text, ScopeEntry *ret, Error *e) {
        size_t n = strlen(text);

        if (n == 0 || n >= sizeof(ret->text))
                return error_set(e, -EINVAL, "scope \"%s:\": 1 to %zu characters must follow",
                                 kind_names[ret->kind], sizeof(ret->text) - 1);
        if (ret->kind == SCOPE_CGROUP && text[0] != '/')
                return error_set(e, -EINVAL, "scope \"cgroup:%s\": the path must begin with /",
                                 text);
        memcpy(ret->text, text, n + 1);
        return 0;
}

int scope_parse(const char *text, ScopeEntry *ret, Error *e) {
        const char *colon = strchr(text, ':');
        size_t n = colon ? (size_t)(colon - text) : strlen(text);

        for (int kind = 0; kind < _SCOPE_KIND_COUNT; kind++) {
                ScopeEntry entry = {.kind = (ScopeKind)kind};
                int r = 0;

                if (strlen(kind_names[kind]) != n || strncmp(kind_names[kind], text, n) != 0)
                        continue;
                if (!colon != (kind == SCOPE_MACHINE))
                        break;
                if (kind == SCOPE_UNIT || kind == SCOPE_CGROUP)
                        r = parse_text(colon + 1, &entry, e);
                else if (kind != SCOPE_MACHINE)
                        r = parse_number(colon + 1, &entry, e);
                if (r < 0)
                        return r;
                *ret = entry;
                return 0;
        }
        return error_set(e, -EINVAL,
                         "scope \"%s\" is not one of: machine, unit:GLOB, cgroup:/PATH, "
                         "session:SID, uid:N, tree:PID",
                         text);
}

void scope_format(const ScopeEntry *s, char *buffer, size_t size) {
        if (s->kind == SCOPE_MACHINE)
                snprintf(buffer, size, "machine");
        else if (s->kind == SCOPE_UNIT || s->kind == SCOPE_CGROUP)
                snprintf(buffer, size, "%s:%s", kind_names[s->kind], s->text);
        else
                snprintf(buffer, size, "%s:%u", kind_names[s->kind], s->number);
}
