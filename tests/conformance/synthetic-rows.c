/* SPDX-License-Identifier: GPL-2.0-or-later */
/* synthetic-rows N SEED: rows of a made-up data set with three programs a class, as CSV. Each class
 * is a cloud around a point of its own, so that a network that learns at all separates them. */
#include <errno.h>

#include "models/train/dataset.h"
#include "util/io.h"

int main(int argc, char *argv[]) {
        _cleanup_(row_table_done)
        RowTable t = ROW_TABLE_INIT;
        float centre[_CLASS_COUNT][FEATURE_COUNT];
        uint64_t n, seed;
        Random random;

        if (argc != 3 || parse_u64(argv[1], 1, 1000000, &n) < 0 ||
            parse_u64(argv[2], 0, UINT32_MAX, &seed) < 0)
                return 2;
        /* The clouds stay where they are whatever the seed: what is learnt from one set holds for
         * another. */
        random.state = 1;
        for (size_t c = 0; c < _CLASS_COUNT; c++)
                for (size_t k = 0; k < FEATURE_COUNT; k++)
                        centre[c][k] = (float)(3 * random_normal(&random));
        random.state = seed;
        for (size_t i = 0; i < n; i++) {
                Row *row = row_table_add(&t);

                if (!row)
                        return EXIT_FAILURE;
                row->label = (LoadClass)(i % _CLASS_COUNT);
                row->pid = (pid_t)(1 + i % 18);
                row->at = (double)i;
                snprintf(row->program, sizeof(row->program), "%s-%zu", class_to_string(row->label),
                         i / _CLASS_COUNT % 3);
                snprintf(row->run, sizeof(row->run), "%.40s.1", row->program);
                for (size_t k = 0; k < FEATURE_COUNT; k++)
                        row->x[k] = centre[row->label][k] + (float)(2 * random_normal(&random));
        }
        return row_table_write(&t, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
