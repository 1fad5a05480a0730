/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Runs clang and bpftool on a BPF source file: no shell, no output but the errors. */

#include "util/error.h"

/* A folder of its own for what is on its way, removed with all in it. */
typedef struct BuildFolder {
        char path[64]; /* "": none */
} BuildFolder;

#define BUILD_PATH_MAX 160 /* of a file in it, the name of a program being part of it */

int build_folder_init(BuildFolder *f, Error *e);
void build_folder_done(BuildFolder *f);

/* Compiles folder/NAME.bpf.c to folder/NAME.bpf.o, linked by bpftool, and, where skeleton is set,
 * makes folder/NAME.skel.h. Returns 0; -ENOENT where a tool is not installed, -EIO where it fails:
 * *e has the first line of its complaint, standard error more of it. */
int build_object(const BuildFolder *f, const char *name, bool skeleton, Error *e);
