/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/model.h"

LoadClass prediction_class(const Prediction *p) {
        int best = 0;

        for (int c = 1; c < _CLASS_COUNT; c++)
                if (p->probability[c] > p->probability[best])
                        best = c;
        return (LoadClass)best;
}
