/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The verbs of aikm-darknet. argv[0] is the verb. Each prints its own errors and returns the
 * program's exit status. */

int verb_rows(int argc, char *argv[]);
int verb_train(int argc, char *argv[]);
int verb_predict(int argc, char *argv[]);
int verb_evaluate(int argc, char *argv[]);
int verb_verify(int argc, char *argv[]);
