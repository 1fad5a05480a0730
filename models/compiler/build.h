/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* From a program to a BPF object: its source, by clang and bpftool. No shell, no output but the
 * errors. */

#include <signal.h>

#include "models/compiler/frame.h"

#define BUILD_FOLDER_MAX 512
#define BUILD_PATH_MAX 608 /* of a file in it, the name of a program being part of it */

/* A folder of its own for what is on its way, removed with all in it. While there is one, signals
 * that end the program wait; what is run in it gets them. */
typedef struct BuildFolder {
        char path[BUILD_FOLDER_MAX]; /* "": none */
        sigset_t mask;               /* as it was before */
} BuildFolder;

int build_folder_init(BuildFolder *f, Error *e);
void build_folder_done(BuildFolder *f);
/* -EINTR with *e where such a signal waits: whoever has a folder is to come to an end. */
int build_check_interrupted(Error *e);

/* Writes folder/NAME.bpf.c of the program, by its own name. fields: as frame_print() takes them.
 * Returns 0 or -errno with *e. */
int build_source(const BuildFolder *f, const Program *p, Target target, const FrameFields *fields,
                 Error *e);
/* Compiles folder/NAME.bpf.c to folder/NAME.bpf.o, linked by bpftool, and, where skeleton is set,
 * makes folder/NAME.skel.h. Returns 0; -ENOENT where a tool is not installed, -EIO where it fails:
 * *e has the first line of its complaint, standard error more of it. */
int build_object(const BuildFolder *f, const char *name, bool skeleton, Error *e);
