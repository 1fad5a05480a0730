/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/lower.h"

const LowerEntry lower_recurrent[] = {{NULL, NULL, NULL}};
