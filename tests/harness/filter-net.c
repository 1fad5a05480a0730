/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tests/harness/filter-net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/macro.h"

static int write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

        if (fd >= 0)
                close(fd);
        return n < 0 ? -errno : 0;
}

/* No router solicitations and the like: every packet is the test's. */
static void silence(void) {
        (void)write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
        (void)write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
}

int filter_net_enter_peer(const FilterNet *n) {
        return setns(n->peer_ns, CLONE_NEWNET) < 0 ? -errno : 0;
}

int filter_net_leave_peer(const FilterNet *n) {
        return setns(n->own_ns, CLONE_NEWNET) < 0 ? -errno : 0;
}

int filter_net_run(const FilterNet *n, bool in_peer, const char *command) {
        int status;
        pid_t pid;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                if (in_peer && filter_net_enter_peer(n) < 0)
                        _exit(126);
                execl("/bin/sh", "sh", "-c", command, NULL);
                _exit(127);
        }
        if (waitpid(pid, &status, 0) != pid || status != 0) {
                fprintf(stderr, "failed: %s\n", command);
                return -EIO;
        }
        return 0;
}

int filter_net_packet_socket(const FilterNet *n, bool in_peer) {
        struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
        int room = 64 << 20, fd, r = 0;

        if (in_peer)
                r = filter_net_enter_peer(n);
        if (r < 0)
                return r;
        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        if (fd < 0) {
                r = -errno;
        } else {
                address.sll_ifindex = (int)if_nametoindex(in_peer ? "p0" : "f0");
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
                if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                        r = -errno;
        }
        if (in_peer && filter_net_leave_peer(n) < 0)
                r = -EIO;
        if (r < 0 && fd >= 0)
                close(fd);
        return r < 0 ? r : fd;
}

/* A child that only holds its namespace. */
static int hold_namespace(FilterNet *n) {
        char path[64], byte;
        int ready[2];

        if (pipe2(ready, O_CLOEXEC) < 0)
                return -errno;
        n->peer = fork();
        if (n->peer < 0)
                return -errno;
        if (n->peer == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (unshare(CLONE_NEWNET) < 0)
                        _exit(1);
                silence();
                if (write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void)pause();
        }
        close(ready[1]);
        if (read(ready[0], &byte, 1) != 1) {
                close(ready[0]);
                return -EPERM;
        }
        close(ready[0]);
        (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)n->peer);
        n->peer_ns = open(path, O_RDONLY | O_CLOEXEC);
        n->own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        return n->peer_ns < 0 || n->own_ns < 0 ? -errno : 0;
}

static int link_up(FilterNet *n) {
        static const char *const ours[] = {
                "ip link set lo up",
                "ip addr add 10.9.0.1/24 dev f0",
                "ip link set f0 up",
                "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev f0",
        };
        static const char *const theirs[] = {
                "ip link set lo up",
                "ip addr add 10.9.0.2/24 dev p0",
                "ip link set p0 up",
                "ip neigh add 10.9.0.1 lladdr 02:00:00:00:00:01 dev p0",
        };
        char command[256];
        int r;

        (void)snprintf(command, sizeof(command),
                       "ip link add f0 address 02:00:00:00:00:01 type veth "
                       "peer name p0 address 02:00:00:00:00:02 netns %d",
                       (int)n->peer);
        r = filter_net_run(n, false, command);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(ours); i++)
                r = filter_net_run(n, false, ours[i]);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(theirs); i++)
                r = filter_net_run(n, true, theirs[i]);
        n->interface = if_nametoindex("f0");
        if (r == 0)
                r = filter_net_enter_peer(n);
        if (r < 0)
                return r;
        n->interface_of_peer = if_nametoindex("p0");
        return filter_net_leave_peer(n);
}

int filter_net_set_up(FilterNet *n) {
        int r;

        *n = (FilterNet){.peer = -1, .own_ns = -1, .peer_ns = -1};
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
                printf("SKIP: no network namespace of its own: %s\n", strerror(errno));
                return 1;
        }
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        (void)snprintf(n->bpffs, sizeof(n->bpffs), "/tmp/aikm-filter.XXXXXX");
        if (!mkdtemp(n->bpffs))
                return -errno;
        if (mount("bpf", n->bpffs, "bpf", 0, NULL) < 0) {
                printf("SKIP: no bpffs: %s\n", strerror(errno));
                (void)rmdir(n->bpffs);
                return 1;
        }
        silence();
        r = hold_namespace(n);
        return r < 0 ? r : link_up(n);
}

void filter_net_tear_down(FilterNet *n) {
        if (n->peer > 0) {
                (void)kill(n->peer, SIGKILL);
                (void)waitpid(n->peer, NULL, 0);
        }
        if (n->own_ns >= 0)
                close(n->own_ns);
        if (n->peer_ns >= 0)
                close(n->peer_ns);
        (void)umount2(n->bpffs, MNT_DETACH);
        (void)rmdir(n->bpffs);
}

int filter_net_main(FilterNet *n, int (*run)(int sender)) {
        int sender, r;

        if (geteuid() != 0) {
                puts("SKIP: needs root: it makes interfaces and loads BPF");
                return 77;
        }
        r = filter_net_set_up(n);
        if (r == 0) {
                sender = filter_net_packet_socket(n, true);
                r = sender < 0 ? sender : run(sender);
        } else if (r > 0) {
                r = 77;
        }
        filter_net_tear_down(n);
        if (r < 0)
                fprintf(stderr, "cannot set up: %s\n", strerror(-r));
        return r < 0 ? 1 : r;
}
