/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/report.h"

#include <stdarg.h>

#include "cli/text.h"

enum { LABEL = 13 };

/* Bytes of the next line of text, at most columns wide, cut at a blank where there is one. */
static size_t line_length(const char *text, size_t columns) {
        size_t fits = text_fit(text, columns, NULL), n = fits;

        if (!text[fits])
                return fits;
        while (n > 0 && text[n] != ' ')
                n--;
        return n > 0 ? n : MAX(fits, (size_t)1);
}

static void write_wrapped(const Context *c, FILE *f, Style style, const char *text, size_t indent) {
        size_t columns = c->width > indent + 20 ? c->width - indent
                         : c->width > 0         ? 20
                                                : SIZE_MAX / 4;

        for (bool first = true; first || *text; first = false) {
                size_t n = line_length(text, columns);

                if (!first)
                        fprintf(f, "%*s", (int)indent, "");
                fprintf(f, "%s%.*s%s\n", style_begin(c->color, style), (int)n, text,
                        style_end(c->color, style));
                text += n;
                while (*text == ' ')
                        text++;
        }
}

static void write_formatted(const Context *c, FILE *f, Style style, size_t indent,
                            const char *format, va_list ap) {
        _cleanup_free_
        char *text = NULL, *escaped = NULL;

        if (vasprintf(&text, format, ap) < 0) {
                text = NULL;
                return;
        }
        escaped = text_escape(text, c->utf8);
        if (escaped)
                write_wrapped(c, f, style, escaped, indent);
}

void report_field(const Context *c, FILE *f, const char *label, Style style, const char *format,
                  ...) {
        va_list ap;

        fprintf(f, "%s%-*s%s ", style_begin(c->color, STYLE_DIM), LABEL, label,
                style_end(c->color, STYLE_DIM));
        va_start(ap, format);
        write_formatted(c, f, style, LABEL + 1, format, ap);
        va_end(ap);
}

void report_paragraph(const Context *c, FILE *f, Style style, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        write_formatted(c, f, style, 0, format, ap);
        va_end(ap);
}

void report_heading(const Context *c, FILE *f, const char *text) {
        fprintf(f, "\n%s%s%s\n", style_begin(c->color, STYLE_BOLD), text,
                style_end(c->color, STYLE_BOLD));
}
