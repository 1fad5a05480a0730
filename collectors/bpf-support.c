/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "collectors/bpf-support.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <sys/stat.h>

/* Inode of the initial pid namespace, fixed by the kernel (include/linux/proc_ns.h). */
#define PROC_PID_INIT_INO 0xEFFFFFFCU

static char warning[256];

int bpf_support_check(Error *e) {
        struct stat st;

        if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
                return error_set(e, -EOPNOTSUPP,
                                 "the kernel has no readable BTF (/sys/kernel/btf/vmlinux: %s)",
                                 strerror(errno));
        if (stat("/proc/self/ns/pid", &st) < 0)
                return error_set(e, -EOPNOTSUPP,
                                 "the pid namespace is unknown (/proc/self/ns/pid: %s)",
                                 strerror(errno));
        if (st.st_ino != PROC_PID_INIT_INO)
                return error_set(e, -EOPNOTSUPP, "this is not the initial pid namespace");
        return 0;
}

_printf_(2, 0) static int on_libbpf(enum libbpf_print_level level, const char *format, va_list ap) {
        if (level == LIBBPF_WARN && !warning[0])
                vsnprintf(warning, sizeof(warning), format, ap);
        return 0;
}

void bpf_support_capture(void) {
        warning[0] = '\0';
        libbpf_set_print(on_libbpf);
}

int bpf_support_finish(int r, const char *what, Error *e) {
        char reason[128];

        (void)malloc_trim(0);
        if (r >= 0)
                return r;
        warning[strcspn(warning, "\n")] = '\0';
        if (r == -EPERM)
                return error_set(e, -EPERM,
                                 "%s: no right to load BPF programs (CAP_BPF and CAP_PERFMON)",
                                 what);
        if (r == -ENOMEM)
                return error_set(e, r, "%s: out of memory", what);
        (void)libbpf_strerror(r, reason, sizeof(reason));
        return error_set(e, -EOPNOTSUPP, "%s: %s%s%s", what, reason, warning[0] ? ": " : "",
                         warning);
}
