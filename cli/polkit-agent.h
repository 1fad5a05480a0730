/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* On a text terminal polkit needs somebody who asks for the password: pkttyagent(1), which does so
 * for this process as long as it runs. */

#include "cli/context.h"

/* Starts it once where it is of use: the user is not root, stdin is a terminal, the bus is local
 * and passwords may be asked for. Where that fails, polkit will say that nobody could be asked. */
void polkit_agent_start(Context *c);
void polkit_agent_stop(Context *c);
