/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/top/model.h"

#include <errno.h>

#include "cli/format.h"
#include "cli/status.h"
#include "cli/text.h"

void top_model_done(TopModel *m) {
        process_list_done(&m->list);
        json_object_put(m->rows);
        json_object_put(m->status);
        *m = TOP_MODEL_INIT;
}

int top_model_take(TopModel *m, json_object *status, json_object *rows) {
        json_object *old_status = m->status, *old_rows = m->rows;
        int r;

        m->status = status;
        m->rows = rows;
        r = top_model_update(m);
        if (r < 0)
                /* The list must not point into rows that are freed. */
                process_list_done(&m->list);
        json_object_put(old_status);
        json_object_put(old_rows);
        return r;
}

static void select_index(TopModel *m, size_t i) {
        m->index = m->list.n > 0 ? MIN(i, m->list.n - 1) : 0;
        m->selected = m->list.n > 0 ? m->list.processes[m->index].pid : 0;
}

int top_model_update(TopModel *m) {
        ProcessFilter filter = {.name = m->filter, .treated = m->treated, .dormant = m->all};
        ProcessList list;
        int r;

        if (!m->rows)
                return 0;
        r = process_list_init(&list, m->rows, &filter);
        if (r < 0)
                return r;
        process_list_sort(&list, m->key, m->reverse);
        process_list_done(&m->list);
        m->list = list;
        for (size_t i = 0; i < list.n; i++)
                if (m->selected > 0 && list.processes[i].pid == m->selected) {
                        select_index(m, i);
                        return 0;
                }
        select_index(m, m->index);
        return 0;
}

void top_model_set_key(TopModel *m, ProcessKey key) {
        m->key = key;
        m->reverse = false;
}

void top_model_move(TopModel *m, long delta) {
        if (delta < 0)
                select_index(m, m->index >= (size_t)-delta ? m->index - (size_t)-delta : 0);
        else
                select_index(m, m->index + (size_t)delta);
}

const Process *top_model_selected(const TopModel *m) {
        return m->index < m->list.n ? m->list.processes + m->index : NULL;
}

const char *top_model_next_mode(const TopModel *m) {
        const char *mode = json_str(m->status, "mode") ?: "";

        return streq(mode, "observe") ? "advise" : streq(mode, "advise") ? "enforce" : "observe";
}

static void write_counts(const TopModel *m, char *text, size_t size) {
        uint64_t processes = 0, treated = 0, uptime = 0;
        char number[FORMAT_MAX];

        (void)json_u64(m->status, "processes", &processes);
        (void)json_u64(m->status, "treated", &treated);
        (void)json_u64(m->status, "uptime_usec", &uptime);
        snprintf(text, size,
                 "aikmd %s%s%.255s  mode %s  %" PRIu64 " processes, %" PRIu64
                 " treated, %zu asleep  up %s",
                 json_str(m->status, "version") ?: "?", m->where ? " on " : "", m->where ?: "",
                 json_str(m->status, "mode") ?: "?", processes, treated, m->list.n_hidden,
                 format_duration(number, uptime));
}

void top_model_header(const TopModel *m, int line, bool utf8, char *buffer, size_t size) {
        _cleanup_free_
        char *escaped = NULL;
        char text[1024] = "", part[768];

        if (m->error[0] && (line == 3 || !m->status))
                snprintf(text, sizeof(text), "%s", line == 0 || line == 3 ? m->error : "");
        else if (!m->status)
                snprintf(text, sizeof(text), "%s", line == 0 ? "waiting for the first tick" : "");
        else if (line == 0)
                write_counts(m, text, sizeof(text));
        else if (line == 1) {
                status_contention(m->status, part, sizeof(part));
                snprintf(text, sizeof(text), "Contention: %s", part);
        } else if (line == 2) {
                status_cost(m->status, part, sizeof(part));
                snprintf(text, sizeof(text), "Own cost: %s", part[0] ? part : "unknown");
        } else
                snprintf(text, sizeof(text), "By %s%s%s%s%s%s", process_key_to_string(m->key),
                         m->reverse ? ", reversed" : "", m->treated ? ", treated only" : "",
                         m->all ? ", sleeping ones too" : "", m->filter[0] ? ", matching " : "",
                         m->filter);
        escaped = text_escape(text, utf8);
        snprintf(buffer, size, "%s", escaped ? escaped : "");
}
