/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/process.h"

#include <errno.h>
#include <pwd.h>

#include "cli/format.h"

static const char *const key_names[_PROCESS_KEY_COUNT] = {
        [PROCESS_KEY_CPU] = "cpu",
        [PROCESS_KEY_WAIT] = "wait",
        [PROCESS_KEY_IO] = "io",
        [PROCESS_KEY_MEMORY] = "memory",
        [PROCESS_KEY_CLASS] = "class",
        [PROCESS_KEY_PID] = "pid",
        [PROCESS_KEY_CONFIDENCE] = "confidence",
        [PROCESS_KEY_NAME] = "name",
};

static const char *const class_names[] = {"idle", "interactive", "server", "batch", "io", "memory"};

const char *process_key_to_string(ProcessKey k) {
        return (size_t)k < ELEMENTSOF(key_names) ? key_names[k] : NULL;
}

int process_key_from_string(const char *name) {
        for (int k = 0; k < _PROCESS_KEY_COUNT; k++)
                if (streq(key_names[k], name))
                        return k;
        return -EINVAL;
}

const char *process_class_name(size_t i) {
        return i < ELEMENTSOF(class_names) ? class_names[i] : NULL;
}

static void process_from_row(Process *p, const json_object *row) {
        uint64_t u;

        *p = (Process){.row = row, .confidence = -1, .cpu = -1, .delay = -1, .io = -1, .rss = -1};
        if (json_u64(row, "pid", &u))
                p->pid = (uint32_t)u;
        p->uid = json_u64(row, "uid", &u) ? (uint32_t)u : UINT32_MAX;
        p->comm = json_str(row, "comm") ?: "";
        p->load_class = json_str(row, "class") ?: "";
        p->verdict = json_str(row, "verdict") ?: "";
        (void)json_num(row, "confidence", &p->confidence);
        (void)json_num(row, "cpu", &p->cpu);
        (void)json_num(row, "delay", &p->delay);
        (void)json_num(row, "io_bytes", &p->io);
        (void)json_num(row, "rss_bytes", &p->rss);
        p->treated = json_flag(row, "treated");
        p->dormant = json_flag(row, "dormant");
}

static bool filter_takes(const ProcessFilter *f, const Process *p) {
        const char *unit = json_str(p->row, "unit") ?: "";

        if (f->load_class && !streq(f->load_class, p->load_class))
                return false;
        if (f->treated && !p->treated)
                return false;
        return !f->name || !f->name[0] || strcasestr(p->comm, f->name) || strcasestr(unit, f->name);
}

int process_list_init(ProcessList *l, const json_object *rows, const ProcessFilter *filter) {
        size_t n = json_object_array_length(rows);

        *l = (ProcessList){.processes = calloc(MAX(n, (size_t)1), sizeof(Process))};
        if (!l->processes)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                Process *p = l->processes + l->n;

                process_from_row(p, json_object_array_get_idx(rows, i));
                if (!filter_takes(filter, p))
                        continue;
                /* What was done to a process counts even while it sleeps. */
                if (p->dormant && !p->treated && !filter->dormant)
                        l->n_hidden++;
                else
                        l->n++;
        }
        return 0;
}

void process_list_done(ProcessList *l) {
        free(l->processes);
        *l = (ProcessList){0};
}

typedef struct Order {
        ProcessKey key;
        bool reverse;
} Order;

static int compare_numbers(double a, double b) {
        return (a > b) - (a < b);
}

static int class_rank(const char *name) {
        for (int i = 0; i < (int)ELEMENTSOF(class_names); i++)
                if (streq(class_names[i], name))
                        return i;
        return (int)ELEMENTSOF(class_names);
}

static int compare(const void *x, const void *y, void *userdata) {
        const Process *a = x, *b = y;
        const Order *o = userdata;
        int r = 0;

        switch (o->key) {
        case PROCESS_KEY_CPU:
                r = compare_numbers(b->cpu, a->cpu);
                break;
        case PROCESS_KEY_WAIT:
                r = compare_numbers(b->delay, a->delay);
                break;
        case PROCESS_KEY_IO:
                r = compare_numbers(b->io, a->io);
                break;
        case PROCESS_KEY_MEMORY:
                r = compare_numbers(b->rss, a->rss);
                break;
        case PROCESS_KEY_CLASS:
                r = class_rank(a->load_class) - class_rank(b->load_class);
                break;
        case PROCESS_KEY_CONFIDENCE:
                r = compare_numbers(b->confidence, a->confidence);
                break;
        case PROCESS_KEY_NAME:
                r = strcasecmp(a->comm, b->comm);
                break;
        default:
                break;
        }
        if (r == 0)
                r = (a->pid > b->pid) - (a->pid < b->pid);
        return o->reverse ? -r : r;
}

void process_list_sort(ProcessList *l, ProcessKey key, bool reverse) {
        Order o = {.key = key, .reverse = reverse};

        qsort_r(l->processes, l->n, sizeof(Process), compare, &o);
}

const char *process_user(uint32_t uid, bool numeric, char *buffer, size_t size) {
        struct passwd pw, *found = NULL;
        char strings[4096];

        if (uid == UINT32_MAX)
                return NULL;
        if (!numeric && getpwuid_r(uid, &pw, strings, sizeof(strings), &found) == 0 && found)
                snprintf(buffer, size, "%s", pw.pw_name);
        else
                snprintf(buffer, size, "%" PRIu32, uid);
        return buffer;
}

static const Column process_columns[] = {
        {"PID", 0, 0, 0, true},       {"USER", 6, 4, 9, false},
        {"CLASS", 0, 0, 0, false},    {"CONF", 4, 0, 0, true},
        {"CPU%", 1, 0, 0, true},      {"WAIT%", 1, 0, 0, true},
        {"IO/s", 3, 0, 0, true},      {"RSS", 3, 0, 0, true},
        {"THR", 8, 0, 0, true},       {"NI", 5, 0, 0, true},
        {"VERDICT", 2, 8, 14, false}, {"UNIT/GROUP", 7, 8, 24, false},
        {"COMM", 0, 6, 0, false},     {0},
};

static void add_share(Table *t, double share) {
        if (share < 0)
                table_add(t, NULL, STYLE_NONE);
        else
                table_addf(t, STYLE_NONE, "%.1f", share * 100);
}

static void add_bytes(Table *t, double bytes) {
        char buffer[FORMAT_MAX];

        table_add(t, bytes < 0 ? NULL : format_bytes(buffer, bytes), STYLE_NONE);
}

static void add_process(Table *t, const Process *p, const char *user) {
        const char *unit = json_str(p->row, "unit"), *group = json_str(p->row, "group");
        Style style = style_of_class(p->load_class);
        uint64_t threads;
        int64_t nice;

        table_addf(t, STYLE_NONE, "%" PRIu32, p->pid);
        table_add(t, user, STYLE_NONE);
        table_add(t, p->load_class[0] ? p->load_class : NULL, style);
        if (p->confidence < 0)
                table_add(t, NULL, STYLE_NONE);
        else
                table_addf(t, STYLE_NONE, "%.0f%%", p->confidence * 100);
        add_share(t, p->cpu);
        add_share(t, p->delay);
        add_bytes(t, p->io);
        add_bytes(t, p->rss);
        if (json_u64(p->row, "threads", &threads))
                table_addf(t, STYLE_NONE, "%" PRIu64, threads);
        else
                table_add(t, NULL, STYLE_NONE);
        if (json_i64(p->row, "nice", &nice))
                table_addf(t, STYLE_NONE, "%" PRId64, nice);
        else
                table_add(t, NULL, STYLE_NONE);
        table_add(t, p->verdict[0] ? p->verdict : NULL, p->treated ? STYLE_BOLD : STYLE_NONE);
        table_add(t, unit && unit[0] ? unit : group && group[0] ? group : NULL, STYLE_NONE);
        table_add(t, p->comm, STYLE_NONE);
}

Table *process_list_table(const ProcessList *l, size_t n, bool numeric, bool utf8) {
        Table *t = table_new(process_columns, utf8);
        uint32_t last_uid = UINT32_MAX;
        const char *user = NULL;
        char buffer[64];

        if (!t)
                return NULL;
        for (size_t i = 0; i < l->n && (n == 0 || i < n); i++) {
                const Process *p = l->processes + i;

                /* Most neighbours belong to one user: spare the look-ups. */
                if (i == 0 || p->uid != last_uid)
                        user = process_user(p->uid, numeric, buffer, sizeof(buffer));
                last_uid = p->uid;
                add_process(t, p, user);
        }
        return t;
}
