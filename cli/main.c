/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>

#include "cli/verbs.h"

int main(int argc, char **argv) {
        _cleanup_(context_done)
        Context c;
        int status;

        context_init(&c);
        /* A closed pipe ("| head") is the reader's decision and ends the run in silence. */
        signal(SIGPIPE, SIG_DFL);
        status = verbs_run(&c, argc, argv);
        if (fflush(stdout) < 0 && status == CLI_OK)
                status = fail("cannot write: %s", strerror(errno));
        return status;
}
