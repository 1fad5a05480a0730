/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/context.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <systemd/sd-bus.h>

#include "cli/polkit-agent.h"
#include "util/io.h"

static const char *const style_table[_STYLE_COUNT] = {
        [STYLE_BOLD] = "\033[1m",         [STYLE_DIM] = "\033[2m",     [STYLE_GOOD] = "\033[32m",
        [STYLE_WARN] = "\033[33m",        [STYLE_BAD] = "\033[1;31m",  [STYLE_IDLE] = "\033[2m",
        [STYLE_INTERACTIVE] = "\033[32m", [STYLE_SERVER] = "\033[36m", [STYLE_BATCH] = "\033[33m",
        [STYLE_IO] = "\033[35m",          [STYLE_MEMORY] = "\033[31m",
};

static size_t terminal_width(void) {
        const char *columns = getenv("COLUMNS");
        struct winsize size;
        uint64_t n;

        if (columns && parse_u64(columns, 10, 10000, &n) >= 0)
                return (size_t)n;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0)
                return size.ws_col;
        return 80;
}

void context_init(Context *c) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        bool tty = isatty(STDOUT_FILENO);

        *c = CONTEXT_INIT;
        setlocale(LC_ALL, "");
        /* JSON and tables want one decimal point everywhere. */
        setlocale(LC_NUMERIC, "C");
        c->utf8 = streq(nl_langinfo(CODESET), "UTF-8");
        c->color_never = (no_color && no_color[0]) || !term || streq(term, "dumb");
        c->color = tty && !c->color_never;
        c->progress = isatty(STDERR_FILENO);
        c->width = tty ? terminal_width() : 0;
}

void context_done(Context *c) {
        polkit_agent_stop(c);
        c->bus = sd_bus_flush_close_unref(c->bus);
}

const char *style_begin(bool color, Style s) {
        return color && s > STYLE_NONE && s < _STYLE_COUNT ? style_table[s] : "";
}

const char *style_end(bool color, Style s) {
        return color && s > STYLE_NONE && s < _STYLE_COUNT ? "\033[0m" : "";
}

Style style_of_class(const char *name) {
        static const struct {
                const char *name;
                Style style;
        } classes[] = {
                {"idle", STYLE_IDLE},     {"interactive", STYLE_INTERACTIVE},
                {"server", STYLE_SERVER}, {"batch", STYLE_BATCH},
                {"io", STYLE_IO},         {"memory", STYLE_MEMORY},
        };

        for (size_t i = 0; i < ELEMENTSOF(classes); i++)
                if (streq(classes[i].name, name))
                        return classes[i].style;
        return STYLE_NONE;
}

int fail(const char *format, ...) {
        va_list ap;

        fflush(stdout);
        fputs("aikmctl: ", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        return CLI_FAILURE;
}
