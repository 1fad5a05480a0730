/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "models/compiler/cells.h"

/* Backwards: what a live cell needs lives. */
void cells_mark_dead(Cells *c) {
        for (size_t i = c->n_fields; i < c->n; i++)
                c->cells[i].dead = true;
        for (size_t i = 0; i < c->decision.n_outputs; i++)
                c->cells[c->decision.outputs[i]].dead = false;
        for (size_t i = c->n; i-- > c->n_fields;) {
                const Cell *cell = &c->cells[i];

                for (size_t k = 0; !cell->dead && k < cell->n_terms; k++)
                        c->cells[cell->terms[k].cell].dead = false;
        }
}
