/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/machine.h"

#include "collectors/cpu-list-parse.h"
#include "collectors/psi-parse.h"
#include "util/io.h"

const char *const machine_pressure_paths[_PSI_COUNT] = {
        [PSI_CPU] = "proc/pressure/cpu",
        [PSI_IO] = "proc/pressure/io",
        [PSI_MEMORY] = "proc/pressure/memory",
};

void machine_read(int root_fd, Sample *s) {
        char text[4096];

        s->n_cpus = 1;
        if (io_read_at(root_fd, "sys/devices/system/cpu/online", text, sizeof(text)) > 0)
                (void)cpu_list_parse(text, &s->n_cpus);
        for (size_t i = 0; i < ELEMENTSOF(machine_pressure_paths); i++) {
                s->psi[i] = (Psi){};
                if (io_read_at(root_fd, machine_pressure_paths[i], text, sizeof(text)) > 0)
                        (void)psi_parse(text, &s->psi[i]);
        }
}
