/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/operator.h"

const OperatorTable operators_quantized = {NULL, 0};
