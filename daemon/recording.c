/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "daemon/recording.h"

#include <errno.h>
#include <fcntl.h>

#include "daemon/config.h"
#include "daemon/recording-format.h"
#include "models/feature.h"

#define BUFFER_SIZE ((size_t)64 * 1024)

/* A frame's payload is written from where it lies, in at most this many pieces. */
#define PARTS_MAX 5

struct Recording {
        RecordingSink sink;
        FILE *file; /* of the sink where it is a file; NULL: it is none */
        int error;  /* the first write error; nothing is written after it */
        char *buffer;
};

typedef struct Part {
        const void *data;
        size_t size;
} Part;

static int recording_fail(Recording *r, int error) {
        if (r->error == 0)
                r->error = error < 0 ? error : -EIO;
        return r->error;
}

static int file_put(void *userdata, const void *data, size_t size) {
        errno = 0;
        return fwrite(data, 1, size, userdata) == size ? 0 : errno > 0 ? -errno : -EIO;
}

static int file_flush(void *userdata) {
        errno = 0;
        return fflush(userdata) == 0 ? 0 : errno > 0 ? -errno : -EIO;
}

static int recording_put(Recording *r, const void *data, size_t size) {
        int k = size > 0 ? r->sink.put(r->sink.userdata, data, size) : 0;

        return k < 0 ? recording_fail(r, k) : 0;
}

static int recording_flush(Recording *r) {
        int k;

        if (r->error < 0)
                return r->error;
        k = r->sink.flush(r->sink.userdata);
        return k < 0 ? recording_fail(r, k) : 0;
}

static int recording_frame(Recording *r, FrameType type, const Part *parts, size_t n_parts) {
        FrameHead head = {.type = type, .hash = FNV1A64_INIT};
        size_t size = 0;
        int k;

        if (r->error < 0)
                return r->error;
        for (size_t i = 0; i < n_parts; i++) {
                if (__builtin_add_overflow(size, parts[i].size, &size) || size > UINT32_MAX)
                        return recording_fail(r, -EFBIG);
                head.hash = fnv1a64(head.hash, parts[i].data, parts[i].size);
        }
        head.size = (uint32_t)size;
        head.check = frame_check(head.type, head.size);
        k = recording_put(r, &head, sizeof(head));
        for (size_t i = 0; k >= 0 && i < n_parts; i++)
                k = recording_put(r, parts[i].data, parts[i].size);
        return k;
}

/* Strings in our structs are zeroed behind their end, so that equal decisions are equal bytes. */
static void copy_text(char *to, const char *from, size_t size) {
        size_t n = strnlen(from, size - 1);

        memset(to, 0, size);
        memcpy(to, from, n);
}

void recorded_decision_from(const Decision *d, RecordedDecision *ret) {
        *ret = (RecordedDecision){
                .start = d->start,
                .cpus = d->treatment.cpus,
                .kind = d->kind,
                .pid = d->pid,
                .parent = d->parent,
                .load_class = d->load_class,
                .verdict = d->verdict,
                .victim = d->victim,
                .victim_delay = d->victim_delay,
                .treatment = d->treatment.set,
                .nice = d->treatment.nice,
                .sched = d->treatment.sched,
                .ioprio_class = d->treatment.ioprio_class,
                .ioprio_level = d->treatment.ioprio_level,
                .autogroup_nice = d->treatment.autogroup_nice,
                .slice_usec = d->treatment.slice_usec,
                .cpu_weight = d->treatment.cpu_weight,
                .io_weight = d->treatment.io_weight,
                .unit_cpu_weight = d->treatment.unit_cpu_weight,
                .unit_io_weight = d->treatment.unit_io_weight,
        };
        memcpy(&ret->confidence, &d->confidence, sizeof(ret->confidence));
        copy_text(ret->victim_comm, d->victim_comm, sizeof(ret->victim_comm));
        copy_text(ret->comm, d->comm, sizeof(ret->comm));
        copy_text(ret->tunable, d->tunable, sizeof(ret->tunable));
        copy_text(ret->value, d->value, sizeof(ret->value));
        copy_text(ret->unit, d->unit, sizeof(ret->unit));
}

/* Magic and header. */
static int recording_begin(Recording *r, const Policy *policy, const Model *model, pid_t self,
                           Error *e) {
        RecordedHeader header = {
                .version = RECORDING_VERSION,
                .sample_size = sizeof(ProcSample),
                .schema = feature_schema_hash(),
                .self = self,
        };
        _cleanup_free_
        char *json = config_to_json(policy);
        int k;

        if (!json)
                return error_set(e, -ENOMEM, "out of memory");
        if (strlen(json) > RECORDING_POLICY_MAX)
                return error_set(e, -EFBIG, "the policy is too big to record");
        copy_text(header.model, model->name, sizeof(header.model));
        copy_text(header.digest, model->digest, sizeof(model->digest));
        k = recording_put(r, RECORDING_MAGIC, RECORDING_MAGIC_SIZE);
        if (k >= 0)
                k = recording_frame(r, FRAME_HEADER,
                                    (Part[]){{&header, sizeof(header)}, {json, strlen(json)}}, 2);
        if (k >= 0)
                k = recording_flush(r);
        return k < 0 ? error_set(e, k, "%s", strerror(-k)) : 0;
}

int recording_create_sink(const RecordingSink *sink, const Policy *policy, const Model *model,
                          pid_t self, Recording **ret, Error *e) {
        _cleanup_(recording_closep)
        Recording *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return error_set(e, -ENOMEM, "out of memory");
        r->sink = *sink;
        k = recording_begin(r, policy, model, self, e);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

int recording_create_fd(int fd, const Policy *policy, const Model *model, pid_t self,
                        Recording **ret, Error *e) {
        _cleanup_close_
        int owned = fd;
        _cleanup_(recording_closep)
        Recording *r = NULL;
        int k;

        r = calloc(1, sizeof(*r));
        if (r)
                r->buffer = malloc(BUFFER_SIZE);
        if (!r || !r->buffer)
                return error_set(e, -ENOMEM, "out of memory");
        r->file = fdopen(owned, "wb");
        if (!r->file)
                return error_set(e, -errno, "%s", strerror(errno));
        (void)TAKE_FD(owned);
        setvbuf(r->file, r->buffer, _IOFBF, BUFFER_SIZE);
        r->sink = (RecordingSink){.put = file_put, .flush = file_flush, .userdata = r->file};
        k = recording_begin(r, policy, model, self, e);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

int recording_create(const char *path, const Policy *policy, const Model *model, pid_t self,
                     Recording **ret, Error *e) {
        Error inner = ERROR_INIT;
        int fd, r;

        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set(e, -errno, "%s: %s", path, strerror(errno));
        r = recording_create_fd(fd, policy, model, self, ret, &inner);
        if (r < 0) {
                (void)unlink(path); /* ours: O_EXCL */
                return error_set(e, r, "%s: %s", path, inner.text);
        }
        return 0;
}

Recording *recording_close(Recording *r) {
        if (r) {
                if (r->file)
                        fclose(r->file);
                free(r->buffer);
                free(r);
        }
        return NULL;
}

int recording_write_sample(Recording *r, const Sample *s) {
        RecordedSample head = {
                .at = s->at,
                .source = s->source,
                .n_cpus = s->n_cpus,
                .n_procs = s->n_procs,
        };

        memcpy(head.psi, s->psi, sizeof(head.psi));
        return recording_frame(
                r, FRAME_SAMPLE,
                (Part[]){{&head, sizeof(head)}, {s->procs, s->n_procs * sizeof(*s->procs)}}, 2);
}

int recording_write_ident(Recording *r, pid_t pid, const Ident *ident) {
        RecordedPid head = {.pid = pid, .number = ident != NULL};
        Ident copy = {0};

        if (ident) {
                copy_text(copy.exe, ident->exe, sizeof(copy.exe));
                copy_text(copy.cgroup, ident->cgroup, sizeof(copy.cgroup));
                copy_text(copy.unit, ident->unit, sizeof(copy.unit));
                copy.build = ident->build;
                head.start = ident->group_length;
        }
        return recording_frame(r, FRAME_IDENT,
                               (Part[PARTS_MAX]){{&head, sizeof(head)},
                                                 {&copy.build, sizeof(copy.build)},
                                                 {copy.exe, strlen(copy.exe) + 1},
                                                 {copy.cgroup, strlen(copy.cgroup) + 1},
                                                 {copy.unit, strlen(copy.unit) + 1}},
                               PARTS_MAX);
}

static int recording_write_pid(Recording *r, FrameType type, pid_t pid, uint32_t number,
                               uint64_t start) {
        RecordedPid head = {.pid = pid, .number = number, .start = start};

        return recording_frame(r, type, &(Part){&head, sizeof(head)}, 1);
}

int recording_write_exec(Recording *r, pid_t pid) {
        return recording_write_pid(r, FRAME_EXEC, pid, 0, 0);
}

int recording_write_policy(Recording *r, const Policy *policy) {
        _cleanup_free_
        char *json = NULL;

        if (r->error < 0)
                return r->error;
        json = config_to_json(policy);
        if (!json)
                return recording_fail(r, -ENOMEM);
        if (strlen(json) > RECORDING_POLICY_MAX)
                return recording_fail(r, -EFBIG);
        return recording_frame(r, FRAME_POLICY, &(Part){json, strlen(json)}, 1);
}

int recording_write_model(Recording *r, const Model *model) {
        RecordedModel frame = {};

        copy_text(frame.model, model->name, sizeof(frame.model));
        copy_text(frame.digest, model->digest, sizeof(model->digest));
        return recording_frame(r, FRAME_MODEL, &(Part){&frame, sizeof(frame)}, 1);
}

int recording_write_trial(Recording *r, pid_t root, Mode mode) {
        return recording_write_pid(r, FRAME_TRIAL, root, (uint32_t)mode, 0);
}

int recording_write_rollback(Recording *r, pid_t pid) {
        return recording_write_pid(r, FRAME_ROLLBACK, pid, 0, 0);
}

int recording_write_unit(Recording *r, const char *unit, bool foreign) {
        RecordedPid head = {.number = foreign};

        return recording_frame(r, FRAME_UNIT,
                               (Part[]){{&head, sizeof(head)}, {unit, strlen(unit) + 1}}, 2);
}

int recording_write_treated(Recording *r, pid_t pid, uint64_t start) {
        return recording_write_pid(r, FRAME_TREATED, pid, 0, start);
}

int recording_write_priors(Recording *r, const PriorEntry *entries, size_t n) {
        if (n > PRIORS_MAX)
                return recording_fail(r, -EFBIG);
        return recording_frame(r, FRAME_PRIORS, &(Part){entries, n * sizeof(*entries)}, 1);
}

int recording_write_forget(Recording *r, const char *exe) {
        RecordedPid head = {0};
        const char *text = exe ?: "";

        return recording_frame(r, FRAME_FORGET,
                               (Part[]){{&head, sizeof(head)}, {text, strlen(text) + 1}}, 2);
}

/* Goes out in pieces of a few hundred bytes, so that any number of decisions needs no memory. */
int recording_write_decisions(Recording *r, const Decision *d, size_t n) {
        RecordedCount count = {.n = n};
        FrameHead head = {.type = FRAME_DECISIONS};
        RecordedDecision one;
        int k;

        if (r->error < 0)
                return r->error;
        if (n > (UINT32_MAX - sizeof(count)) / sizeof(one))
                return recording_fail(r, -EFBIG);
        head.size = (uint32_t)(sizeof(count) + n * sizeof(one));
        head.check = frame_check(head.type, head.size);
        head.hash = fnv1a64(FNV1A64_INIT, &count, sizeof(count));
        for (size_t i = 0; i < n; i++) {
                recorded_decision_from(&d[i], &one);
                head.hash = fnv1a64(head.hash, &one, sizeof(one));
        }
        k = recording_put(r, &head, sizeof(head));
        if (k >= 0)
                k = recording_put(r, &count, sizeof(count));
        for (size_t i = 0; k >= 0 && i < n; i++) {
                recorded_decision_from(&d[i], &one);
                k = recording_put(r, &one, sizeof(one));
        }
        /* The tick is whole: this much must survive a crash of the daemon. */
        return k < 0 ? k : recording_flush(r);
}

int recording_write_feedback(Recording *r, const Decision *d, Outcome outcome) {
        RecordedCount count = {.n = outcome};
        RecordedDecision one;

        recorded_decision_from(d, &one);
        return recording_frame(r, FRAME_FEEDBACK,
                               (Part[]){{&count, sizeof(count)}, {&one, sizeof(one)}}, 2);
}
