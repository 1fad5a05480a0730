/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>

#include "cli/text.h"

enum { GAP = 1 };

typedef struct Cell {
        char *text;
        Style style;
} Cell;

struct Table {
        const Column *columns;
        size_t n_columns;
        bool utf8;
        bool broken; /* out of memory */
        Cell *cells;
        size_t n_cells, n_allocated;
        size_t *widths; /* 0: column dropped */
        size_t last;    /* last column that is shown: not padded */
};

Table *table_new(const Column *columns, bool utf8) {
        Table *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->columns = columns;
        t->utf8 = utf8;
        while (columns[t->n_columns].title)
                t->n_columns++;
        assert(t->n_columns > 0);
        t->widths = calloc(t->n_columns, sizeof(*t->widths));
        return t->widths ? t : table_free(t);
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t->widths);
        free(t);
        return NULL;
}

void table_add(Table *t, const char *text, Style style) {
        char *escaped = text_escape(text ? text : "-", t->utf8);

        if (t->n_cells == t->n_allocated) {
                size_t n = MAX(t->n_allocated * 2, (size_t)64);
                Cell *p = escaped ? realloc(t->cells, n * sizeof(*p)) : NULL;

                if (!p) {
                        t->broken = true;
                        free(escaped);
                        return;
                }
                t->cells = p;
                t->n_allocated = n;
        }
        if (!escaped)
                t->broken = true;
        else
                t->cells[t->n_cells++] = (Cell){.text = escaped, .style = style};
}

void table_addf(Table *t, Style style, const char *format, ...) {
        _cleanup_free_
        char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                t->broken = true;
                return;
        }
        table_add(t, text, style);
}

size_t table_rows(const Table *t) {
        return t->n_cells / t->n_columns;
}

static size_t total_width(const Table *t) {
        size_t sum = 0, shown = 0;

        for (size_t i = 0; i < t->n_columns; i++)
                if (t->widths[i] > 0) {
                        sum += t->widths[i];
                        shown++;
                }
        return sum + (shown > 0 ? (shown - 1) * GAP : 0);
}

static size_t least_width(const Table *t, size_t i) {
        const Column *c = t->columns + i;

        return c->min > 0 ? MIN(MAX(c->min, text_width(c->title)), t->widths[i]) : t->widths[i];
}

/* What all shown columns need at the very least. */
static size_t total_least(const Table *t) {
        size_t sum = 0, shown = 0;

        for (size_t i = 0; i < t->n_columns; i++)
                if (t->widths[i] > 0) {
                        sum += least_width(t, i);
                        shown++;
                }
        return sum + (shown > 0 ? (shown - 1) * GAP : 0);
}

/* The shown column with the greatest priority number, the rightmost of equals; -1: all stay. */
static ssize_t find_droppable(const Table *t) {
        ssize_t found = -1;

        for (size_t i = 0; i < t->n_columns; i++)
                if (t->widths[i] > 0 && t->columns[i].priority > 0 &&
                    (found < 0 || t->columns[i].priority >= t->columns[found].priority))
                        found = (ssize_t)i;
        return found;
}

/* The column to take one column from: the widest of those that can give. */
static ssize_t find_shrinkable(const Table *t) {
        ssize_t found = -1;

        for (size_t i = 0; i < t->n_columns; i++)
                if (t->widths[i] > 0 && least_width(t, i) < t->widths[i] &&
                    (found < 0 || t->widths[i] >= t->widths[found]))
                        found = (ssize_t)i;
        return found;
}

int table_layout(Table *t, size_t width) {
        ssize_t i;

        if (t->broken)
                return -ENOMEM;
        assert(t->n_columns > 0);
        for (size_t k = 0; k < t->n_columns; k++)
                t->widths[k] = text_width(t->columns[k].title);
        for (size_t k = 0; k < t->n_cells; k++)
                t->widths[k % t->n_columns] = MAX(t->widths[k % t->n_columns],
                                                  text_width(t->cells[k].text));
        if (width > 0) {
                for (size_t k = 0; k < t->n_columns; k++)
                        if (t->columns[k].max > 0)
                                t->widths[k] = MIN(
                                        t->widths[k],
                                        MAX(t->columns[k].max, text_width(t->columns[k].title)));
                while (total_least(t) > width && (i = find_droppable(t)) >= 0)
                        t->widths[i] = 0;
                while (total_width(t) > width && (i = find_shrinkable(t)) >= 0)
                        t->widths[i]--;
        }
        for (size_t k = 0; k < t->n_columns; k++)
                if (t->widths[k] > 0)
                        t->last = k;
        return 0;
}

static void write_cell(const Table *t, size_t i, const char *text, Style style, FILE *f,
                       bool color) {
        _cleanup_free_
        char *cut = text_ellipsize(text, t->widths[i], t->utf8);
        const char *shown = cut ? cut : "";
        size_t w = text_width(shown);
        int pad = (int)(t->widths[i] > w ? t->widths[i] - w : 0);

        if (t->columns[i].right)
                fprintf(f, "%*s", pad, "");
        fprintf(f, "%s%s%s", style_begin(color, style), shown, style_end(color, style));
        if (!t->columns[i].right && i != t->last)
                fprintf(f, "%*s", pad, "");
        if (i != t->last)
                fprintf(f, "%*s", GAP, "");
}

void table_write_header(const Table *t, FILE *f, bool color) {
        for (size_t i = 0; i < t->n_columns; i++)
                if (t->widths[i] > 0)
                        write_cell(t, i, t->columns[i].title, STYLE_BOLD, f, color);
}

void table_write_row(const Table *t, size_t row, FILE *f, bool color) {
        const Cell *cells = t->cells + row * t->n_columns;

        for (size_t i = 0; i < t->n_columns; i++)
                if (t->widths[i] > 0)
                        write_cell(t, i, cells[i].text, cells[i].style, f, color);
}

int table_print(Table *t, const Context *c, FILE *f) {
        int r = table_layout(t, c->width);

        if (r < 0)
                return r;
        if (c->legend) {
                table_write_header(t, f, c->color);
                fputc('\n', f);
        }
        for (size_t i = 0; i < table_rows(t); i++) {
                table_write_row(t, i, f, c->color);
                fputc('\n', f);
        }
        return 0;
}
