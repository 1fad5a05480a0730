/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a sample says of the machine as a whole: online CPUs and pressure (PSI). */

#include "collectors/sample.h"

/* Of each PsiResource, relative to a root. */
extern const char *const machine_pressure_paths[_PSI_COUNT];

/* Fills n_cpus and psi from below root_fd. What cannot be read stays unknown: 1 CPU, no PSI. */
void machine_read(int root_fd, Sample *s);
