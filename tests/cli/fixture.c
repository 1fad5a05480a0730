/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "util/macro.h"

const char *fixture_aikmctl, *fixture_fake;

static pid_t spawn(char **argv, int out, int err) {
        pid_t parent = getpid(), pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        /* Nothing outlives a test that dies. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(127);
        if (out >= 0)
                (void)dup2(out, STDOUT_FILENO);
        if (err >= 0)
                (void)dup2(err, STDERR_FILENO);
        execvp(argv[0], argv);
        _exit(127);
}

static void end(pid_t *pid) {
        if (*pid > 0) {
                (void)kill(*pid, SIGTERM);
                (void)waitpid(*pid, NULL, 0);
        }
        *pid = 0;
}

bool fixture_start(Fixture *f) {
        static const char config[] =
                "<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</"
                "auth>"
                "<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>"
                "<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n";
        char path[128], option[160], ready[256];
        _cleanup_close_
        int null = -EBADF;
        _cleanup_fclose_
        FILE *file = NULL;
        int fds[2];

        *f = (Fixture){.dir = "/tmp/aikm-cli.XXXXXX"};
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->address, sizeof(f->address), "unix:path=%s/bus", f->dir);
        snprintf(path, sizeof(path), "%s/bus.conf", f->dir);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fprintf(file, config, f->dir) > 0);
        assert_int_equal(fflush(file), 0);

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        snprintf(option, sizeof(option), "--config-file=%s", path);
        f->bus = spawn((char *[]){(char *)"dbus-daemon", option, (char *)"--nofork",
                                  (char *)"--nopidfile", (char *)"--nosyslog",
                                  (char *)"--print-address", NULL},
                       fds[1], null);
        close(fds[1]);
        /* The address is printed when it listens; an end without it is a program that is missing.
         */
        if (read(fds[0], ready, sizeof(ready)) <= 0) {
                close(fds[0]);
                fixture_stop(f);
                return false;
        }
        close(fds[0]);
        assert_int_equal(setenv("AIKM_BUS_ADDRESS", f->address, 1), 0);
        return true;
}

void fixture_start_fake(Fixture *f, const char *option) {
        char ready[16] = "";
        int fds[2];

        assert_int_equal(f->fake, 0);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        f->fake = spawn((char *[]){(char *)fixture_fake, (char *)option, NULL}, fds[1], -1);
        close(fds[1]);
        assert_true(read(fds[0], ready, sizeof(ready) - 1) > 0);
        close(fds[0]);
        assert_string_equal(ready, "ready\n");
}

void fixture_stop_fake(Fixture *f) {
        end(&f->fake);
}

void fixture_stop(Fixture *f) {
        char path[128];

        end(&f->fake);
        end(&f->bus);
        snprintf(path, sizeof(path), "%s/bus.conf", f->dir);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s/bus", f->dir);
        (void)unlink(path);
        (void)rmdir(f->dir);
}

static const char ssh_script[] =
        "#!/bin/sh\n"
        "echo \"$@\" >>%1$s/ssh-args\n"
        "case \" $* \" in\n"
        "*\" unreachable \"*)\n"
        "        echo 'ssh: connect to host unreachable port 22: Connection refused' >&2\n"
        "        exit 255 ;;\n"
        "*\" nobridge \"*) echo 'sh: 1: systemd-stdio-bridge: not found' >&2; exit 127 ;;\n"
        "*\" nobus \"*) exec systemd-stdio-bridge -p unix:path=%1$s/nobody ;;\n"
        "*\" killed \"*) kill -9 $$ ;;\n"
        "*\" brief \"*) exec timeout 0.5 systemd-stdio-bridge -p %2$s ;;\n"
        "esac\n"
        "exec systemd-stdio-bridge -p %2$s\n";

bool fixture_start_ssh(Fixture *f) {
        char path[128], search[4096];
        _cleanup_fclose_
        FILE *file = NULL;

        if (system("command -v systemd-stdio-bridge >/dev/null") != 0)
                return false;
        snprintf(path, sizeof(path), "%s/ssh", f->dir);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fprintf(file, ssh_script, f->dir, f->address) > 0);
        assert_int_equal(fflush(file), 0);
        assert_int_equal(fchmod(fileno(file), 0755), 0);
        snprintf(f->path, sizeof(f->path), "%s", getenv("PATH") ?: "/usr/bin:/bin");
        snprintf(search, sizeof(search), "%s:%s", f->dir, f->path);
        assert_int_equal(setenv("PATH", search, 1), 0);
        assert_int_equal(unsetenv("AIKM_BUS_ADDRESS"), 0);
        return true;
}

void fixture_stop_ssh(Fixture *f) {
        char path[128];

        assert_int_equal(setenv("PATH", f->path, 1), 0);
        assert_int_equal(setenv("AIKM_BUS_ADDRESS", f->address, 1), 0);
        snprintf(path, sizeof(path), "%s/ssh", f->dir);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s/ssh-args", f->dir);
        (void)unlink(path);
}

void fixture_words(char *line, char **ret_words, size_t n) {
        char *save = NULL;
        size_t i = 0;

        for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
                assert_true(i + 1 < n);
                ret_words[i++] = w;
        }
        ret_words[i] = NULL;
}

static void read_back(int fd, char *buffer, size_t size) {
        ssize_t n = pread(fd, buffer, size - 1, 0);

        assert_true(n >= 0 && (size_t)n < size - 1);
        buffer[n] = '\0';
}

void fixture_run(const Fixture *f, const char *line, Output *ret) {
        char path[128], words[512], *argv[32] = {(char *)fixture_aikmctl};
        _cleanup_close_
        int out = -EBADF, err = -EBADF;
        int status;
        pid_t pid;

        snprintf(words, sizeof(words), "%s", line);
        fixture_words(words, argv + 1, ELEMENTSOF(argv) - 1);
        snprintf(path, sizeof(path), "%s", f->dir);
        out = open(path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        err = open(path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        assert_true(out >= 0 && err >= 0);
        pid = spawn(argv, out, err);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        read_back(out, ret->out, sizeof(ret->out));
        read_back(err, ret->err, sizeof(ret->err));
}

void fixture_expect(const Fixture *f, const char *line, int status, Output *ret) {
        fixture_run(f, line, ret);
        if (ret->status != status)
                print_error("aikmctl %s: status %d, stderr: %s", line, ret->status, ret->err);
        assert_int_equal(ret->status, status);
}

void assert_says(const char *text, const char *part) {
        if (!strstr(text, part))
                print_error("\"%s\" is not in:\n%s\n", part, text);
        assert_non_null(strstr(text, part));
}
