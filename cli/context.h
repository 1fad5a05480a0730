/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What every verb of aikmctl shares: the global options, what the terminal can do, and the bus
 * connection, opened when it is first needed. One Context per run; not for threads.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "util/macro.h"

/* Exit statuses, as aikmctl(1) lists them. */
enum { CLI_OK = 0, CLI_FAILURE = 1, CLI_USAGE = 2, CLI_NOT_RUNNING = 3 };

typedef struct sd_bus sd_bus;

typedef struct Context {
        sd_bus *bus;                /* NULL: not opened yet; use client_open() */
        const char *host, *machine; /* --host, --machine; NULL: not given */
        bool ask_password;          /* whoever may not do something may be asked for a password */
        pid_t polkit_agent;         /* that asks; 0: none */
        bool json;
        bool color;       /* stdout is a terminal that wants colours */
        bool color_never; /* --no-color or NO_COLOR */
        bool legend;      /* headers and closing lines */
        bool utf8;        /* the locale's character set */
        bool progress;    /* stderr is a terminal: show waiting */
        size_t width;     /* columns of the terminal; 0: stdout is none, never truncate */
} Context;

#define CONTEXT_INIT ((Context){.legend = true, .ask_password = true})

/* Looks at locale, environment and descriptors. */
void context_init(Context *c);
void context_done(Context *c);

typedef enum Style {
        STYLE_NONE,
        STYLE_BOLD,
        STYLE_DIM,
        STYLE_GOOD,
        STYLE_WARN,
        STYLE_BAD,
        STYLE_IDLE,
        STYLE_INTERACTIVE,
        STYLE_SERVER,
        STYLE_BATCH,
        STYLE_IO,
        STYLE_MEMORY,
        _STYLE_COUNT,
} Style;

/* The escape sequence that begins a style, "" without colours; style_end() closes it. */
const char *style_begin(bool color, Style s);
const char *style_end(bool color, Style s);

/* The colour of a class by its name; STYLE_NONE for others. */
Style style_of_class(const char *name);

/* Prints "aikmctl: …" on stderr; returns CLI_FAILURE. */
_printf_(1, 2) int fail(const char *format, ...);
