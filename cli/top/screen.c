/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <ncurses.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <systemd/sd-event.h>

#include "cli/explain.h"
#include "cli/remote.h"
#include "cli/text.h"
#include "cli/top/top.h"

#define STALE (3 * USEC_PER_SEC) /* without a tick for so long: ask anyway */

typedef enum Phase {
        PHASE_LIST,
        PHASE_FILTER,   /* typing a name */
        PHASE_OVERLAY,  /* help or an explanation */
        PHASE_ROLLBACK, /* y or n */
        PHASE_MODE,     /* y or n */
} Phase;

typedef struct Screen {
        Context *c;
        TopModel *m;
        sd_event *event;
        Phase phase;
        bool colors;
        usec_t delay, fetched;
        size_t first;        /* row of the list on the first line */
        char *overlay;       /* text with newlines */
        size_t overlay_line; /* its first visible line */
        char message[256];
        uint32_t pid; /* what a question is about */
        char mode[16];
        int status, signal;
        Error failure;
} Screen;

static const char help_text[] = "P W I M C N   sort by CPU, wait, I/O, memory, class, PID\n"
                                "r             reverse the order\n"
                                "arrows        select a process, also PgUp, PgDn, Home, End\n"
                                "e, Enter      explain the selected process\n"
                                "t             only processes that aikmd has changed\n"
                                "a             sleeping processes as well\n"
                                "/             only names that contain a text; Esc drops it\n"
                                "b             roll the selected process back\n"
                                "m             next mode: observe, advise, enforce\n"
                                "h, ?          this help\n"
                                "q             quit; in a window such as this: close it\n"
                                "\n"
                                "WAIT% is run delay: time runnable but waiting for a CPU.";

static int quit(Screen *s, int status) {
        s->status = status;
        return sd_event_exit(s->event, 0);
}

/* --- drawing --- */

static attr_t class_attribute(const Screen *s, const char *name) {
        switch (style_of_class(name)) {
        case STYLE_IDLE:
                return A_DIM;
        case STYLE_INTERACTIVE:
                return s->colors ? COLOR_PAIR(1) : 0;
        case STYLE_SERVER:
                return s->colors ? COLOR_PAIR(2) : 0;
        case STYLE_BATCH:
                return s->colors ? COLOR_PAIR(3) : 0;
        case STYLE_IO:
                return s->colors ? COLOR_PAIR(4) : 0;
        case STYLE_MEMORY:
                return s->colors ? COLOR_PAIR(5) : 0;
        default:
                return 0;
        }
}

/* One line, cut at the screen's width and filled to it with the attribute. */
static void put_line(int y, attr_t attribute, const char *text) {
        size_t width = 0, bytes = text_fit(text, (size_t)MAX(COLS, 1), &width);

        attrset((int)attribute);
        mvaddnstr(y, 0, text, (int)bytes);
        for (int x = (int)width; x < COLS; x++)
                addch(' ');
        attrset(A_NORMAL);
}

static char *table_line(const Table *t, ssize_t row) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        if (row < 0)
                table_write_header(t, f, /* color= */ false);
        else
                table_write_row(t, (size_t)row, f, /* color= */ false);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static size_t list_height(void) {
        int lines = LINES - TOP_HEADER_LINES - 2;

        return lines > 0 ? (size_t)lines : 0;
}

static void draw_list(Screen *s) {
        _cleanup_(table_freep)
        Table *t = process_list_table(&s->m->list, 0, remote_is_foreign(s->c), s->c->utf8);
        _cleanup_free_
        char *header = NULL;
        size_t height = list_height();

        if (!t || table_layout(t, (size_t)MAX(COLS, 1)) < 0)
                return;
        header = table_line(t, -1);
        put_line(TOP_HEADER_LINES, A_REVERSE, header ? header : "");
        /* The selected row stays in sight. */
        if (s->m->index < s->first)
                s->first = s->m->index;
        else if (height > 0 && s->m->index >= s->first + height)
                s->first = s->m->index - height + 1;
        if (s->first + height > s->m->list.n)
                s->first = s->m->list.n > height ? s->m->list.n - height : 0;
        for (size_t i = 0; i < height && s->first + i < s->m->list.n; i++) {
                const Process *p = s->m->list.processes + s->first + i;
                _cleanup_free_
                char *line = table_line(t, (ssize_t)(s->first + i));
                attr_t attribute = class_attribute(s, p->load_class);

                if (p->treated)
                        attribute |= A_BOLD;
                if (s->first + i == s->m->index)
                        attribute = A_REVERSE;
                put_line(TOP_HEADER_LINES + 1 + (int)i, attribute, line ? line : "");
        }
        if (s->m->list.n == 0 && height > 0)
                put_line(TOP_HEADER_LINES + 1, A_DIM, "No process matches.");
}

static void draw_overlay(Screen *s) {
        const char *p = s->overlay;
        size_t line = 0;
        int y = 0;

        while (p && *p && y < LINES - 1) {
                const char *end = strchrnul(p, '\n');

                if (line++ >= s->overlay_line) {
                        _cleanup_free_
                        char *text = strndup(p, (size_t)(end - p));

                        put_line(y++, A_NORMAL, text ? text : "");
                }
                p = *end ? end + 1 : end;
        }
        put_line(LINES - 1, A_REVERSE, "q closes, arrows scroll");
}

static void draw_footer(Screen *s) {
        char text[512];

        switch (s->phase) {
        case PHASE_FILTER:
                snprintf(text, sizeof(text), "Name contains: %s_  (Enter keeps, Esc drops)",
                         s->m->filter);
                break;
        case PHASE_ROLLBACK:
                snprintf(text, sizeof(text),
                         "Put back what was changed of process %" PRIu32 "? y/n", s->pid);
                break;
        case PHASE_MODE:
                snprintf(text, sizeof(text), "Change the mode to %s? y/n", s->mode);
                break;
        default:
                snprintf(text, sizeof(text), "%s",
                         s->message[0] ? s->message
                                       : "h help  P W I M C N sort  e explain  t treated  a all  / "
                                         "filter  q quit");
        }
        put_line(LINES - 1, A_REVERSE, text);
}

static void draw(Screen *s) {
        erase();
        if (s->phase == PHASE_OVERLAY)
                draw_overlay(s);
        else {
                for (int i = 0; i < TOP_HEADER_LINES && i < LINES - 1; i++) {
                        char line[1024];

                        top_model_header(s->m, i, s->c->utf8, line, sizeof(line));
                        put_line(i, i == 0 ? A_BOLD : A_NORMAL, line);
                }
                draw_list(s);
                draw_footer(s);
        }
        refresh();
}

/* --- doing --- */

static int fetch(Screen *s) {
        Error e = ERROR_INIT;
        int r;

        s->fetched = usec_now(CLOCK_MONOTONIC);
        r = top_fetch(s->c, s->m, &e);
        snprintf(s->m->error, sizeof(s->m->error), "%.255s", r == CLI_OK ? "" : e.text);
        /* The daemon may come back on the same bus; a bus that is gone will not. */
        if (r != CLI_OK && s->c->bus && sd_bus_is_open(s->c->bus) <= 0) {
                s->failure = e;
                return quit(s, r);
        }
        return 0;
}

static void open_overlay(Screen *s, char *text) {
        free(s->overlay);
        s->overlay = text;
        s->overlay_line = 0;
        s->phase = PHASE_OVERLAY;
}

static void explain_selected(Screen *s) {
        const Process *p = top_model_selected(s->m);
        _cleanup_json_ json_object *x = NULL;
        Context c = *s->c;
        Error e = ERROR_INIT;
        char *text = NULL;
        size_t size = 0;
        FILE *f;

        if (!p)
                return;
        if (client_get_explanation(s->c, p->pid, &x, &e) != CLI_OK) {
                snprintf(s->message, sizeof(s->message), "%.255s", e.text);
                return;
        }
        f = open_memstream(&text, &size);
        if (!f)
                return;
        c.color = false;
        c.width = (size_t)MAX(COLS, 20);
        (void)explain_print(&c, x, usec_now(CLOCK_REALTIME), f);
        if (fclose(f) == 0)
                open_overlay(s, text);
        else
                free(text);
}

static void rollback_now(Screen *s) {
        _cleanup_json_ json_object *result = NULL;
        Error e = ERROR_INIT;
        uint64_t restored = 0, foreign = 0;

        if (client_rollback(s->c, "pid", s->pid, &result, &e) != CLI_OK) {
                snprintf(s->message, sizeof(s->message), "%.255s", e.text);
                return;
        }
        (void)json_u64(result, "restored", &restored);
        (void)json_u64(result, "foreign", &foreign);
        snprintf(s->message, sizeof(s->message),
                 "Process %" PRIu32 ": %" PRIu64 " restored, %" PRIu64 " left alone", s->pid,
                 restored, foreign);
}

static void set_mode_now(Screen *s) {
        Error e = ERROR_INIT;

        if (client_set_mode(s->c, s->mode, &e) != CLI_OK)
                snprintf(s->message, sizeof(s->message), "%.255s", e.text);
        else
                snprintf(s->message, sizeof(s->message), "The mode is %s now", s->mode);
}

/* --- keys --- */

static bool key_sorts(Screen *s, int key) {
        static const struct {
                int key;
                ProcessKey sort;
        } sorts[] = {{'P', PROCESS_KEY_CPU},    {'W', PROCESS_KEY_WAIT},  {'I', PROCESS_KEY_IO},
                     {'M', PROCESS_KEY_MEMORY}, {'C', PROCESS_KEY_CLASS}, {'N', PROCESS_KEY_PID}};

        for (size_t i = 0; i < ELEMENTSOF(sorts); i++)
                if (sorts[i].key == key) {
                        top_model_set_key(s->m, sorts[i].sort);
                        return true;
                }
        return false;
}

static bool key_moves(Screen *s, int key) {
        long page = (long)MAX(list_height(), (size_t)1);

        switch (key) {
        case KEY_UP:
        case 'k':
                top_model_move(s->m, -1);
                return true;
        case KEY_DOWN:
        case 'j':
                top_model_move(s->m, 1);
                return true;
        case KEY_PPAGE:
                top_model_move(s->m, -page);
                return true;
        case KEY_NPAGE:
                top_model_move(s->m, page);
                return true;
        case KEY_HOME:
                top_model_move(s->m, -(long)s->m->list.n);
                return true;
        case KEY_END:
                top_model_move(s->m, (long)s->m->list.n);
                return true;
        default:
                return false;
        }
}

static void ask_rollback(Screen *s) {
        const Process *p = top_model_selected(s->m);

        if (!p || !p->treated) {
                snprintf(s->message, sizeof(s->message), "Nothing of that process is changed");
                return;
        }
        s->pid = p->pid;
        s->phase = PHASE_ROLLBACK;
}

static int key_in_list(Screen *s, int key) {
        s->message[0] = '\0';
        if (key_moves(s, key))
                return 0;
        if (!key_sorts(s, key))
                switch (key) {
                case 'q':
                        return quit(s, CLI_OK);
                case 'r':
                        s->m->reverse = !s->m->reverse;
                        break;
                case 't':
                        s->m->treated = !s->m->treated;
                        break;
                case 'a':
                        s->m->all = !s->m->all;
                        break;
                case '/':
                        s->phase = PHASE_FILTER;
                        return 0;
                case 27:
                        s->m->filter[0] = '\0';
                        break;
                case 'e':
                case '\n':
                case '\r':
                case KEY_ENTER:
                        explain_selected(s);
                        return 0;
                case 'b':
                        ask_rollback(s);
                        return 0;
                case 'm':
                        snprintf(s->mode, sizeof(s->mode), "%s", top_model_next_mode(s->m));
                        s->phase = PHASE_MODE;
                        return 0;
                case 'h':
                case '?':
                        open_overlay(s, strdup(help_text));
                        return 0;
                default:
                        return 0;
                }
        return top_model_update(s->m);
}

static int key_in_filter(Screen *s, int key) {
        size_t n = strlen(s->m->filter);

        if (key == '\n' || key == '\r' || key == KEY_ENTER)
                s->phase = PHASE_LIST;
        else if (key == 27) {
                s->m->filter[0] = '\0';
                s->phase = PHASE_LIST;
        } else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
                /* A whole character: continuation bytes go with their first. */
                while (n > 0 && (s->m->filter[n - 1] & 0xc0) == 0x80)
                        n--;
                s->m->filter[n > 0 ? n - 1 : 0] = '\0';
        } else if (key >= ' ' && key < 256 && n + 1 < sizeof(s->m->filter)) {
                s->m->filter[n] = (char)key;
                s->m->filter[n + 1] = '\0';
        }
        return top_model_update(s->m);
}

static void key_in_overlay(Screen *s, int key) {
        size_t lines = 1, page = (size_t)MAX(LINES - 2, 1);

        for (const char *p = s->overlay ? s->overlay : ""; *p; p++)
                lines += *p == '\n';
        if (key == KEY_DOWN || key == 'j')
                s->overlay_line++;
        else if (key == KEY_UP || key == 'k')
                s->overlay_line -= s->overlay_line > 0;
        else if (key == KEY_NPAGE || key == ' ')
                s->overlay_line += page;
        else if (key == KEY_PPAGE)
                s->overlay_line -= MIN(s->overlay_line, page);
        else if (key == 'q' || key == 27 || key == 'h' || key == 'e' || key == '\n')
                s->phase = PHASE_LIST;
        s->overlay_line = MIN(s->overlay_line, lines > page ? lines - page : 0);
}

static int key_in_question(Screen *s, int key) {
        Phase asked = s->phase;

        s->phase = PHASE_LIST;
        if (key != 'y' && key != 'Y') {
                snprintf(s->message, sizeof(s->message), "Nothing was done");
                return 0;
        }
        if (asked == PHASE_ROLLBACK)
                rollback_now(s);
        else
                set_mode_now(s);
        return fetch(s);
}

static int on_key(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Screen *s = userdata;
        int key, r = 0;

        while (r >= 0 && (key = getch()) != ERR) {
                switch (s->phase) {
                case PHASE_LIST:
                        r = key_in_list(s, key);
                        break;
                case PHASE_FILTER:
                        r = key_in_filter(s, key);
                        break;
                case PHASE_OVERLAY:
                        key_in_overlay(s, key);
                        break;
                default:
                        r = key_in_question(s, key);
                }
        }
        /* The terminal went away. */
        if (events & (EPOLLHUP | EPOLLERR))
                return quit(s, CLI_OK);
        draw(s);
        return r;
}

/* --- events --- */

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Screen *s = userdata;
        struct winsize size;

        if (si->ssi_signo != SIGWINCH) {
                s->signal = (int)si->ssi_signo;
                return quit(s, CLI_OK);
        }
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_row > 0 && size.ws_col > 0) {
                resizeterm(size.ws_row, size.ws_col);
                draw(s);
        }
        return 0;
}

static int on_ticked(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Screen *s = userdata;
        int r;

        if (s->delay > 0)
                return 0;
        r = fetch(s);
        draw(s);
        return r;
}

static int on_timer(sd_event_source *source, uint64_t at, void *userdata) {
        Screen *s = userdata;
        usec_t period = s->delay > 0 ? s->delay : STALE;
        int r;

        if (s->delay > 0 || usec_now(CLOCK_MONOTONIC) - s->fetched >= STALE) {
                r = fetch(s);
                if (r < 0)
                        return r;
                draw(s);
        }
        r = sd_event_source_set_time_relative(source, period);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int add_sources(Screen *s) {
        static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigaddset(&mask, signals[i]);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                r = sd_event_add_signal(s->event, NULL, signals[i], on_signal, s);
                if (r < 0)
                        return r;
        }
        r = sd_event_add_io(s->event, NULL, STDIN_FILENO, EPOLLIN, on_key, s);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(s->event, NULL, CLOCK_MONOTONIC,
                                       s->delay > 0 ? s->delay : STALE, 0, on_timer, s);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(s->c->bus, NULL, NULL, AIKM_BUS_PATH, AIKM_BUS_MANAGER, "Ticked",
                                on_ticked, s);
        return r < 0 ? r : sd_bus_attach_event(s->c->bus, s->event, SD_EVENT_PRIORITY_NORMAL);
}

static void start_curses(Screen *s) {
        static const short colors[] = {COLOR_GREEN, COLOR_CYAN, COLOR_YELLOW, COLOR_MAGENTA,
                                       COLOR_RED};

        cbreak();
        noecho();
        nonl();
        keypad(stdscr, TRUE);
        nodelay(stdscr, TRUE);
        set_escdelay(25);
        (void)curs_set(0);
        s->colors = !s->c->color_never && has_colors() && start_color() == OK;
        if (s->colors) {
                (void)use_default_colors();
                for (size_t i = 0; i < ELEMENTSOF(colors); i++)
                        init_pair((short)(i + 1), colors[i], -1);
        }
}

/* A signal's default effect, after the terminal is as it was. */
static void die_of(int signo) {
        sigset_t mask;

        signal(signo, SIG_DFL);
        sigemptyset(&mask);
        sigaddset(&mask, signo);
        (void)raise(signo);
        (void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

int top_screen_run(Context *c, TopModel *m, usec_t delay) {
        _cleanup_(sd_event_unrefp)
        sd_event *event = NULL;
        Screen s = {.c = c, .m = m, .delay = delay};
        SCREEN *screen;
        int r;

        /* Both would write over the screen. */
        c->progress = false;
        c->ask_password = false;
        r = top_fetch(c, m, &s.failure);
        if (r != CLI_OK)
                return client_fail(r, &s.failure);
        s.fetched = usec_now(CLOCK_MONOTONIC);
        r = sd_event_new(&event);
        s.event = event;
        if (r >= 0)
                r = add_sources(&s);
        if (r < 0)
                return fail("cannot wait for events: %s", strerror(-r));
        screen = newterm(NULL, stdout, stdin);
        if (!screen)
                return fail("the terminal %s is not known to ncurses: set TERM, or use --once",
                            getenv("TERM") ?: "(TERM is not set)");
        start_curses(&s);
        draw(&s);
        r = sd_event_loop(event);

        endwin();
        delscreen(screen);
        free(s.overlay);
        (void)sd_bus_detach_event(c->bus);
        if (s.signal > 0)
                die_of(s.signal);
        if (r < 0)
                return fail("waiting for events failed: %s", strerror(-r));
        return client_fail(s.status, &s.failure);
}
