/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Where what is known of programs meets the judgement of a process. Pure. */

#include "daemon/proc-table.h"

/* Looks up what is known of its program, once for each program that it executes. */
void proc_find_prior(Proc *p, const PriorTable *t, usec_t at);

/* It is another program from now on. */
void proc_forget_prior(Proc *p);

/* The model's word on p, after dt µs: the table learns from it. */
void proc_teach(Proc *p, PriorTable *t, const Prediction *own, usec_t dt, usec_t at);

/* p->prediction from the model's word, NULL: it has none yet, and what is known of the program.
 * Whether there is any. */
bool proc_predict(Proc *p, const Prediction *own);

/* Whether its class is what its program's processes proved to be often enough. */
bool proc_is_known_as(const Proc *p, LoadClass c);
