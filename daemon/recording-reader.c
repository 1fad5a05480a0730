/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/recording-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "models/feature.h"

void reader_done(Reader *r) {
        if (r->file)
                fclose(r->file);
        free(r->payload);
        free(r->sample);
}

int reader_damaged(const Reader *r, Error *e, const char *format, ...) {
        char text[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        return error_set(e, -EBADMSG, "%s: damaged at byte %" PRIu64 ": %s", r->path, r->offset,
                         text);
}

static int reader_get_stream(Reader *r, void *data, size_t size, Error *e) {
        for (size_t n = 0; n < size;) {
                ssize_t k = r->get(r->userdata, (char *)data + n, size - n);

                if (k < 0)
                        return error_set(e, (int)k, "%s: %s", r->path, strerror((int)-k));
                if (k == 0)
                        return 0;
                n += (size_t)k;
                r->next += (uint64_t)k;
        }
        return 1;
}

/* Returns 1, 0 where the file or stream ends before, or -errno. */
static int reader_get(Reader *r, void *data, size_t size, Error *e) {
        if (!r->file)
                return reader_get_stream(r, data, size, e);
        if (size > r->size - r->next)
                return 0;
        errno = 0;
        if (fread(data, 1, size, r->file) != size)
                return error_set(e, errno ? -errno : -EIO, "%s: %s", r->path,
                                 errno ? strerror(errno) : "became shorter while it was read");
        r->next += size;
        return 1;
}

static int reader_magic(Reader *r, Error *e) {
        char magic[RECORDING_MAGIC_SIZE];
        int k;

        k = reader_get(r, magic, sizeof(magic), e);
        if (k < 0)
                return k;
        if (k == 0 || memcmp(magic, RECORDING_MAGIC, sizeof(magic)) != 0)
                return error_set(e, -EPROTO, "%s: is no recording (it does not begin with %s)",
                                 r->path, RECORDING_MAGIC);
        return 0;
}

int reader_open_stream(Reader *r, const char *name, ReaderGet get, void *userdata, Error *e) {
        *r = (Reader){.path = name, .get = get, .userdata = userdata, .size = UINT64_MAX};
        return reader_magic(r, e);
}

int reader_open(Reader *r, const char *path, Error *e) {
        struct stat st;
        int fd;

        *r = (Reader){.path = path};
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        r->file = fdopen(fd, "rb");
        if (!r->file) {
                close(fd);
                return error_set(e, -ENOMEM, "%s: out of memory", path);
        }
        if (fstat(fd, &st) < 0)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "%s: is not a regular file", path);
        r->size = (uint64_t)st.st_size;
        return reader_magic(r, e);
}

/* What a frame of that type may hold at least and at most; false: no such type. */
static bool frame_limits(uint32_t type, uint64_t *ret_min, uint64_t *ret_max) {
        switch (type) {
        case FRAME_HEADER:
                *ret_min = sizeof(RecordedHeader);
                *ret_max = sizeof(RecordedHeader) + RECORDING_POLICY_MAX;
                return true;
        case FRAME_SAMPLE:
                *ret_min = sizeof(RecordedSample);
                *ret_max = sizeof(RecordedSample) + RECORDING_PROCS_MAX * sizeof(ProcSample);
                return true;
        case FRAME_IDENT:
                *ret_min = sizeof(RecordedPid) + sizeof(BuildId) + 3;
                *ret_max = sizeof(RecordedPid) + sizeof(Ident);
                return true;
        case FRAME_UNIT:
                *ret_min = sizeof(RecordedPid) + 1;
                *ret_max = sizeof(RecordedPid) + sizeof(((Decision *)0)->unit);
                return true;
        case FRAME_PRIORS:
                *ret_min = 0;
                *ret_max = PRIORS_MAX * sizeof(PriorEntry);
                return true;
        case FRAME_FORGET:
                *ret_min = sizeof(RecordedPid) + 1;
                *ret_max = sizeof(RecordedPid) + sizeof(((PriorEntry *)0)->exe);
                return true;
        case FRAME_POLICY:
                *ret_min = 0;
                *ret_max = RECORDING_POLICY_MAX;
                return true;
        case FRAME_EXEC:
        case FRAME_TRIAL:
        case FRAME_ROLLBACK:
        case FRAME_TREATED:
                *ret_min = *ret_max = sizeof(RecordedPid);
                return true;
        case FRAME_MODEL:
                *ret_min = *ret_max = sizeof(RecordedModel);
                return true;
        case FRAME_DECISIONS:
                *ret_min = sizeof(RecordedCount);
                *ret_max = sizeof(RecordedCount) +
                           RECORDING_DECISIONS_MAX * sizeof(RecordedDecision);
                return true;
        case FRAME_FEEDBACK:
                *ret_min = *ret_max = sizeof(RecordedCount) + sizeof(RecordedDecision);
                return true;
        case FRAME_LOST:
                *ret_min = *ret_max = sizeof(RecordedCount);
                return true;
        default:
                return false;
        }
}

int reader_next(Reader *r, Error *e) {
        uint64_t min, max;
        int k;

        r->offset = r->next;
        if (r->next == r->size)
                return 0;
        k = reader_get(r, &r->head, sizeof(r->head), e);
        if (k <= 0) {
                r->torn = k == 0;
                return k;
        }
        if (r->head.check != frame_check(r->head.type, r->head.size))
                return reader_damaged(r, e, "the frame's head does not match its check sum");
        if (!frame_limits(r->head.type, &min, &max) || (r->head.type == FRAME_LOST && r->file))
                return reader_damaged(r, e, "there is no frame type %u", r->head.type);
        if (r->head.size < min || r->head.size > max)
                return reader_damaged(r, e, "a frame of type %u has %u bytes", r->head.type,
                                      r->head.size);
        if (r->head.size > r->size - r->next) {
                r->torn = true;
                return 0;
        }
        if (r->head.size > r->allocated || !r->payload) {
                char *grown = realloc(r->payload, (size_t)r->head.size + 1);

                if (!grown)
                        return error_set(e, -ENOMEM, "%s: out of memory", r->path);
                r->payload = grown;
                r->allocated = r->head.size;
        }
        k = reader_get(r, r->payload, r->head.size, e);
        if (k <= 0) {
                r->torn = k == 0;
                return k;
        }
        r->payload[r->head.size] = '\0';
        if (r->head.hash != fnv1a64(FNV1A64_INIT, r->payload, r->head.size))
                return reader_damaged(r, e, "the frame does not match its check sum");
        return 1;
}

bool text_ends(const char *text, size_t size) {
        return memchr(text, '\0', size) != NULL;
}

int reader_header(Reader *r, RecordedHeader *ret, Error *e) {
        int k;

        k = reader_next(r, e);
        if (k < 0)
                return k;
        if (k == 0)
                return error_set(e, -EPROTO, "%s: ends before its header", r->path);
        if (r->head.type != FRAME_HEADER)
                return reader_damaged(r, e, "the first frame is not the header");
        memcpy(ret, r->payload, sizeof(*ret));
        if (!text_ends(ret->model, sizeof(ret->model)) ||
            !text_ends(ret->digest, sizeof(ret->digest)))
                return reader_damaged(r, e, "the model's name has no end");
        if (ret->version != RECORDING_VERSION)
                return error_set(e, -EPROTO, "%s: has format version %u; this program reads %d",
                                 r->path, ret->version, RECORDING_VERSION);
        if (ret->sample_size != sizeof(ProcSample))
                return error_set(e, -EPROTO,
                                 "%s: holds process records of %u bytes; this program's have %zu",
                                 r->path, ret->sample_size, sizeof(ProcSample));
        return 0;
}

/* The bytes go into a struct with bools and enums: only what a collector can have written may. */
static bool proc_is_sane(const ProcSample *p) {
        uint8_t flags[4];

        memcpy(&flags[0], &p->kthread, 1);
        memcpy(&flags[1], &p->has_rt, 1);
        memcpy(&flags[2], &p->has_tty, 1);
        memcpy(&flags[3], &p->zombie, 1);
        return p->pid > 0 && p->ppid >= 0 && text_ends(p->comm, sizeof(p->comm)) && flags[0] <= 1 &&
               flags[1] <= 1 && flags[2] <= 1 && flags[3] <= 1 &&
               p->group_kind < _SCHED_GROUP_KIND_COUNT;
}

int reader_sample(Reader *r, Sample *ret, Error *e) {
        const RecordedSample *head = (const RecordedSample *)r->payload;
        uint64_t n_procs = head->n_procs;
        char *swap = r->sample;
        size_t swap_allocated = r->sample_allocated;
        ProcSample *procs;

        if (n_procs > RECORDING_PROCS_MAX ||
            r->head.size != sizeof(*head) + n_procs * sizeof(ProcSample))
                return reader_damaged(r, e, "a sample's size does not fit its count");
        if (head->at <= r->at || head->n_cpus == 0 || head->source > SAMPLE_SOURCE_PROC)
                return reader_damaged(r, e,
                                      "a sample with an impossible time, source or CPU count");
        procs = (ProcSample *)(r->payload + sizeof(*head));
        for (uint64_t i = 0; i < n_procs; i++)
                if (!proc_is_sane(&procs[i]) || (i > 0 && procs[i].pid <= procs[i - 1].pid))
                        return reader_damaged(r, e, "process record %" PRIu64 " is impossible", i);

        *ret = (Sample){
                .at = head->at,
                .source = head->source,
                .n_cpus = head->n_cpus,
                .n_procs = n_procs,
                .n_allocated = n_procs,
                .procs = procs,
        };
        memcpy(ret->psi, head->psi, sizeof(ret->psi));
        r->at = head->at;
        r->sample = r->payload;
        r->sample_allocated = r->allocated;
        r->payload = swap;
        r->allocated = swap_allocated;
        return 0;
}

int reader_ident(const Reader *r, pid_t *ret_pid, Ident *ret, bool *ret_known, Error *e) {
        const RecordedPid *head = (const RecordedPid *)r->payload;
        const char *p = r->payload + sizeof(*head) + sizeof(BuildId);
        const char *end = r->payload + r->head.size;
        Ident ident = {0};
        const struct {
                char *text;
                size_t size;
        } parts[] = {
                {ident.exe, sizeof(ident.exe)},
                {ident.cgroup, sizeof(ident.cgroup)},
                {ident.unit, sizeof(ident.unit)},
        };

        memcpy(&ident.build, r->payload + sizeof(*head), sizeof(ident.build));
        if (!build_id_is_sane(&ident.build))
                return reader_damaged(r, e, "a build-id is impossible");
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                size_t n = strnlen(p, (size_t)(end - p));

                if (p + n >= end || n >= parts[i].size)
                        return reader_damaged(r, e, "an identity's text is too long");
                memcpy(parts[i].text, p, n);
                p += n + 1;
        }
        if (p != end || head->number > 1 || head->start > strlen(ident.cgroup))
                return reader_damaged(r, e, "an identity's size does not fit");
        ident.group_length = (uint16_t)head->start;
        *ret_pid = head->pid;
        *ret = ident;
        *ret_known = head->number > 0;
        return 0;
}

int reader_decisions(const Reader *r, const RecordedDecision **ret, size_t *ret_n, Error *e) {
        const RecordedCount *count = (const RecordedCount *)r->payload;
        const RecordedDecision *d = (const RecordedDecision *)(r->payload + sizeof(*count));
        Decision sane;

        if (count->n > RECORDING_DECISIONS_MAX ||
            r->head.size != sizeof(*count) + count->n * sizeof(*d))
                return reader_damaged(r, e, "the decisions' size does not fit");
        for (uint64_t i = 0; i < count->n; i++)
                if (recorded_decision_to(&d[i], &sane) < 0)
                        return reader_damaged(r, e, "a decision is impossible");
        *ret = d;
        *ret_n = count->n;
        return 0;
}

int reader_feedback(const Reader *r, const RecordedDecision **ret, Outcome *ret_outcome, Error *e) {
        const RecordedCount *outcome = (const RecordedCount *)r->payload;
        const RecordedDecision *d = (const RecordedDecision *)(r->payload + sizeof(*outcome));
        Decision sane;

        if (outcome->n >= _OUTCOME_COUNT || recorded_decision_to(d, &sane) < 0)
                return reader_damaged(r, e, "an outcome is impossible");
        *ret = d;
        *ret_outcome = (Outcome)outcome->n;
        return 0;
}

int reader_lost(const Reader *r, uint64_t *ret, Error *e) {
        const RecordedCount *count = (const RecordedCount *)r->payload;

        if (count->n == 0 || count->n > INT64_MAX)
                return reader_damaged(r, e, "a loss of %" PRIu64 " ticks is impossible", count->n);
        *ret = count->n;
        return 0;
}

int recording_visit(const char *path, const RecordingVisitor *visitor, void *userdata, Error *e) {
        _cleanup_(reader_done)
        Reader reader = {0};
        RecordedHeader header;
        int k;

        k = reader_open(&reader, path, e);
        if (k >= 0)
                k = reader_header(&reader, &header, e);
        if (k < 0)
                return k;
        while ((k = reader_next(&reader, e)) > 0) {
                Sample sample;

                if (reader.head.type == FRAME_EXEC && visitor->exec) {
                        const RecordedPid *who = (const RecordedPid *)reader.payload;

                        visitor->exec(who->pid, userdata);
                }
                if (reader.head.type != FRAME_SAMPLE)
                        continue;
                k = reader_sample(&reader, &sample, e);
                if (k < 0)
                        return k;
                k = visitor->sample(&sample, userdata);
                if (k != 0)
                        return k;
        }
        return k;
}
