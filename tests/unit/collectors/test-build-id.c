/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser against made-up and hostile files, build_id_read() against a tree of files and the
 * running kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectors/build-id.h"

typedef struct File {
        uint8_t bytes[512];
        size_t size;
        size_t n_reads;
} File;

static ssize_t read_file(void *userdata, void *buffer, size_t size, uint64_t offset) {
        File *f = userdata;
        size_t n = offset < f->size ? MIN(size, f->size - (size_t)offset) : 0;

        f->n_reads++;
        assert_true(size <= 4096);
        if (n > 0)
                memcpy(buffer, f->bytes + offset, n);
        return (ssize_t)n;
}

static size_t put_note(uint8_t *to, uint32_t type, const char *name, const void *desc,
                       uint32_t size, size_t align) {
        uint32_t head[3] = {(uint32_t)strlen(name) + 1, size, type};
        size_t at = (sizeof(head) + head[0] + align - 1) / align * align;

        memcpy(to, head, sizeof(head));
        memcpy(to + sizeof(head), name, head[0]);
        memcpy(to + at, desc, size);
        return (at + size + align - 1) / align * align;
}

/* A build-id of n bytes that count up from 1, behind another note; the segment is the second. */
static File make_elf_64(uint32_t n, size_t align) {
        uint8_t desc[64];
        File f = {};
        const size_t notes = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
        Elf64_Ehdr head = {
                .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64,
                            __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB},
                .e_phoff = sizeof(head),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = 2,
        };
        Elf64_Phdr segments[2] = {{.p_type = PT_LOAD},
                                  {.p_type = PT_NOTE, .p_offset = notes, .p_align = align}};
        size_t size;

        for (uint8_t i = 0; i < sizeof(desc); i++)
                desc[i] = (uint8_t)(i + 1);
        size = put_note(f.bytes + notes, NT_GNU_ABI_TAG, "GNU", "0123456789abcdef", 16, align);
        size += put_note(f.bytes + notes + size, NT_GNU_BUILD_ID, "GNU", desc, n, align);
        segments[1].p_filesz = size;
        memcpy(f.bytes, &head, sizeof(head));
        memcpy(f.bytes + sizeof(head), segments, sizeof(segments));
        f.size = notes + size;
        return f;
}

static File make_elf_32(void) {
        File f = {};
        const size_t notes = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr);
        Elf32_Ehdr head = {
                .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32,
                            __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB},
                .e_phoff = sizeof(head),
                .e_phentsize = sizeof(Elf32_Phdr),
                .e_phnum = 1,
        };
        Elf32_Phdr segment = {.p_type = PT_NOTE, .p_offset = notes, .p_align = 4};

        segment.p_filesz = (uint32_t)put_note(f.bytes + notes, NT_GNU_BUILD_ID, "GNU", "\1\2\3", 3,
                                              4);
        memcpy(f.bytes, &head, sizeof(head));
        memcpy(f.bytes + sizeof(head), &segment, sizeof(segment));
        f.size = notes + segment.p_filesz;
        return f;
}

static void test_parse(void **state) {
        static const struct {
                uint32_t n;
                size_t align;
                uint8_t size;
        } cases[] = {{20, 4, 20}, {16, 4, 16}, {20, 8, 20}, {1, 4, 1}, {32, 4, 20}};
        BuildId id;
        File f;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                f = make_elf_64(cases[i].n, cases[i].align);
                assert_int_equal(build_id_parse(read_file, &f, &id), 1);
                assert_int_equal(id.kind, BUILD_ID_NOTE);
                assert_int_equal(id.size, cases[i].size);
                for (uint8_t k = 0; k < sizeof(id.bytes); k++)
                        assert_int_equal(id.bytes[k], k < id.size ? k + 1 : 0);
                assert_true(build_id_is_sane(&id));
        }
        f = make_elf_32();
        assert_int_equal(build_id_parse(read_file, &f, &id), 1);
        assert_int_equal(id.size, 3);
        assert_memory_equal(id.bytes, "\1\2\3", 3);
}

static void test_none(void **state) {
        BuildId id = {.kind = 77};
        File f = make_elf_64(0, 4);

        assert_int_equal(build_id_parse(read_file, &f, &id), 0);
        f = make_elf_64(20, 4);
        f.bytes[EI_DATA] ^= 3;
        assert_int_equal(build_id_parse(read_file, &f, &id), 0);
        f = (File){.size = 12, .bytes = "#!/bin/sh\n:\n"};
        assert_int_equal(build_id_parse(read_file, &f, &id), 0);
        assert_int_equal(id.kind, 77);
}

/* Cut anywhere there is none; the parser reads a bounded number of times whatever it is told. */
static void test_hostile(void **state) {
        const File whole = make_elf_64(20, 4);
        uint64_t random = 1;

        for (size_t n = 0; n < whole.size; n++) {
                BuildId id = {.kind = 77};
                File f = whole;

                f.size = n;
                assert_int_equal(build_id_parse(read_file, &f, &id), 0);
                assert_int_equal(id.kind, 77);
        }
        for (size_t round = 0; round < 200000; round++) {
                BuildId id = {};
                File f = whole;

                for (int k = 0; k < 4; k++) {
                        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                        f.bytes[(random >> 33) % whole.size] = random >> 63
                                                                       ? 0xff
                                                                       : (uint8_t)(random >> 20);
                }
                (void)build_id_parse(read_file, &f, &id);
                assert_true(build_id_is_sane(&id));
                assert_true(f.n_reads <= 11);
        }
}

static void test_sane(void **state) {
        static const BuildId bad[] = {
                {.kind = _BUILD_ID_KIND_COUNT, .size = 1},
                {.kind = BUILD_ID_NOTE, .size = 21},
                {.kind = BUILD_ID_NOTE},
                {.kind = BUILD_ID_UNKNOWN, .size = 1},
                {.bytes = {1}},
                {.pad = {0, 1}},
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(build_id_is_sane(&bad[i]));
        assert_true(build_id_is_sane(&(BuildId){}));
}

typedef struct Own {
        BuildId id;
} Own;

/* The first object is the program; its notes are mapped. */
static int find_own(struct dl_phdr_info *info, size_t size, void *userdata) {
        Own *own = userdata;

        for (size_t i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                const uint8_t *notes = (const uint8_t *)info->dlpi_addr + p->p_vaddr;

                for (size_t at = 0; p->p_type == PT_NOTE && at + 12 <= p->p_memsz;) {
                        ElfW(Nhdr) note;

                        memcpy(&note, notes + at, sizeof(note));
                        if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz == 20) {
                                own->id = (BuildId){.kind = BUILD_ID_NOTE, .size = 20};
                                memcpy(own->id.bytes, notes + at + 16, 20);
                        }
                        at += 12 + (note.n_namesz + 3U) / 4 * 4 + (note.n_descsz + 3U) / 4 * 4;
                }
        }
        return 1;
}

/* This program as a process of its own: ours may run inside a tool that has another executable. */
static pid_t start_again(void) {
        char path[4096] = {};
        int ready[2];
        char byte;
        pid_t pid;

        assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                execl(path, path, "wait", NULL);
                _exit(127);
        }
        close(ready[1]);
        /* Ends when exec has closed it. */
        assert_int_equal(read(ready[0], &byte, 1), 0);
        close(ready[0]);
        return pid;
}

static void test_own(void **state) {
        _cleanup_free_
        BuildIdCache *cache = calloc(1, sizeof(*cache));
        _cleanup_close_
        int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        Own own = {};
        BuildId id;
        pid_t pid;

        assert_true(cache && root_fd >= 0);
        dl_iterate_phdr(find_own, &own);
        if (own.id.kind == BUILD_ID_UNKNOWN) {
                print_message("this compiler's linker makes no build-ids\n");
                skip();
        }
        pid = start_again();
        build_id_read(cache, root_fd, pid, &id);
        assert_memory_equal(&id, &own.id, sizeof(id));
        build_id_read(cache, root_fd, pid, &id);
        assert_memory_equal(&id, &own.id, sizeof(id));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        build_id_read(cache, root_fd, INT32_MAX, &id);
        assert_int_equal(id.kind, BUILD_ID_UNKNOWN);
}

static void put_file(int dir_fd, const char *name, const void *data, size_t size) {
        _cleanup_close_
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

        assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

static void test_cache(void **state) {
        _cleanup_free_
        BuildIdCache *cache = calloc(1, sizeof(*cache));
        _cleanup_close_
        int fd = -EBADF;
        char root[] = "/tmp/aikm-test-XXXXXX";
        const File a = make_elf_64(20, 4), b = make_elf_32();
        BuildId first, id;

        assert_non_null(cache);
        assert_non_null(mkdtemp(root));
        fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(mkdirat(fd, "proc", 0700) + mkdirat(fd, "proc/9", 0700), 0);
        put_file(fd, "proc/9/exe", a.bytes, a.size);
        build_id_read(cache, fd, 9, &first);
        assert_int_equal(first.size, 20);
        /* Written anew in place, it is another file. */
        put_file(fd, "proc/9/exe", b.bytes, b.size);
        build_id_read(cache, fd, 9, &id);
        assert_int_equal(id.size, 3);
        put_file(fd, "proc/9/exe", "#!/bin/sh\n", 10);
        build_id_read(cache, fd, 9, &first);
        assert_int_equal(first.kind, BUILD_ID_FILE);
        build_id_read(cache, fd, 9, &id);
        assert_memory_equal(&id, &first, sizeof(id));
        put_file(fd, "proc/9/exe", "#!/bin/bash\n", 12);
        build_id_read(cache, fd, 9, &id);
        assert_int_equal(id.kind, BUILD_ID_FILE);
        assert_memory_not_equal(&id, &first, sizeof(id));
        assert_int_equal(unlinkat(fd, "proc/9/exe", 0) + unlinkat(fd, "proc/9", AT_REMOVEDIR) +
                                 unlinkat(fd, "proc", AT_REMOVEDIR) + rmdir(root),
                         0);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),   cmocka_unit_test(test_none),
                cmocka_unit_test(test_hostile), cmocka_unit_test(test_sane),
                cmocka_unit_test(test_own),     cmocka_unit_test(test_cache),
        };

        if (argc > 1)
                return pause();

        return cmocka_run_group_tests(tests, NULL, NULL);
}
