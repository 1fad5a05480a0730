/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/guard.h"

static Policy policy;
static ProcSample proc;
static Ident ident;
static Rule rule;
static GuardInput in;

/* A hog that all speaks for demoting. */
static void reset(void) {
        proc = (ProcSample){
                .pid = 100,
                .valid = SAMPLE_ALL,
                .n_threads = 1,
                .group_kind = SCHED_GROUP_AUTOGROUP,
                .group_id = 7,
                .cpus_allowed = 3,
        };
        rule = (Rule){.load_class = -1};
        ident = (Ident){.exe = "/bin/x"};
        in = (GuardInput){
                .policy = &policy,
                .proc = &proc,
                .ident = &ident,
                .load_class = CLASS_BATCH,
                .confidence = 0.9f,
                .class_age = 60 * USEC_PER_SEC,
                .since_release = USEC_INFINITY,
                .mode = MODE_ENFORCE,
                .in_scope = true,
                .meeting = {.contended = {[CONTENTION_CPU] = true},
                            .within_group = true,
                            .shares_cpus = true},
        };
}

static int setup(void **state) {
        int r = policy_init_default(&policy);

        /* As where systemd has the tree of control groups. */
        if (r >= 0)
                policy_drop_knobs(&policy, TREAT_CPU_WEIGHT | TREAT_IO_WEIGHT);
        return r;
}

static int teardown(void **state) {
        policy_done(&policy);
        return 0;
}

static void kthread(void) {
        proc.kthread = true;
}
static void init(void) {
        proc.pid = 1;
}
static void self(void) {
        in.is_self = true;
}
static void zombie(void) {
        proc.zombie = true;
}
static void no_sched(void) {
        proc.valid &= ~(uint32_t)SAMPLE_SCHED;
}
static void rt_thread(void) {
        proc.has_rt = true;
}
static void rt_leader(void) {
        proc.sched_policy = SCHED_RR;
}
static void dormant(void) {
        in.dormant = true;
}
static void elsewhere(void) {
        in.in_scope = false;
}
static void exempt(void) {
        rule.exempt = true;
        in.rule = &rule;
}
static void no_ident(void) {
        in.ident = NULL;
}
static void hands_off(void) {
        in.hands_off = true;
}
static void idle(void) {
        in.load_class = CLASS_IDLE;
}
static void unsure(void) {
        in.confidence = 0.69f;
}
static void not_a_number(void) {
        in.confidence = NAN;
}
static void protected(void) {
        in.load_class = CLASS_SERVER;
}
static void protected_by_little(void) {
        in.load_class = CLASS_SERVER;
        in.confidence = 0.51f;
}
static void protected_by_too_little(void) {
        in.load_class = CLASS_SERVER;
        in.confidence = 0.49f;
}
static void protected_with_treatment(void) {
        in.load_class = CLASS_SERVER;
        rule.has_treatment = true;
        rule.treatment = (Treatment){.set = TREAT_NICE, .nice = 10};
        in.rule = &rule;
}
static void no_contention(void) {
        in.meeting.contended[CONTENTION_CPU] = false;
}
static void wrong_resource(void) {
        in.meeting.contended[CONTENTION_CPU] = false;
        in.meeting.contended[CONTENTION_IO] = true;
}
static void disjoint(void) {
        in.meeting.shares_cpus = in.meeting.within_group = false;
}
static void mixed(void) {
        in.meeting.within_group = false;
        in.meeting.across_groups = in.meeting.group_holds_protected = true;
}
static void others_in_group(void) {
        in.meeting.within_group = false;
        in.meeting.across_groups = in.group_holds_others = true;
}
static void other_group(void) {
        in.meeting.within_group = false;
        in.meeting.across_groups = true;
        proc.group_kind = SCHED_GROUP_CGROUP;
}
static void inert(void) {
        in.inert = UINT32_MAX;
}
static void already_low(void) {
        proc.nice = 19;
        policy.treatment[CLASS_BATCH].set &= ~(uint32_t)TREAT_SLICE;
}
static void young_class(void) {
        in.class_age = 1 * USEC_PER_SEC;
}
static void just_released(void) {
        in.since_release = 9 * USEC_PER_SEC;
}
static void observe(void) {
        in.mode = MODE_OBSERVE;
}
static void advise(void) {
        in.mode = MODE_ADVISE;
}
static void many_changes(void) {
        in.changes_last_minute = 120;
}
static void nothing(void) {
}

/* In the order of precedence. */
static const struct {
        const char *name;
        void (*spoil)(void);
        Verdict verdict;
} rows[] = {
        {"kthread", kthread, VERDICT_KERNEL_THREAD},
        {"init", init, VERDICT_INIT},
        {"self", self, VERDICT_SELF},
        {"zombie", zombie, VERDICT_VANISHED},
        {"no sched", no_sched, VERDICT_UNKNOWN},
        {"rt thread", rt_thread, VERDICT_REALTIME},
        {"rt leader", rt_leader, VERDICT_REALTIME},
        {"dormant", dormant, VERDICT_DORMANT},
        {"elsewhere", elsewhere, VERDICT_OUT_OF_SCOPE},
        {"exempt", exempt, VERDICT_EXEMPT},
        {"no ident", no_ident, VERDICT_UNKNOWN},
        {"hands off", hands_off, VERDICT_HANDS_OFF},
        {"idle", idle, VERDICT_NOT_A_HOG},
        {"unsure", unsure, VERDICT_LOW_CONFIDENCE},
        {"not a number", not_a_number, VERDICT_LOW_CONFIDENCE},
        {"protected by too little", protected_by_too_little, VERDICT_LOW_CONFIDENCE},
        {"protected", protected, VERDICT_PROTECTED},
        {"protected by little", protected_by_little, VERDICT_PROTECTED},
        {"no contention", no_contention, VERDICT_NO_CONTENTION},
        {"wrong resource", wrong_resource, VERDICT_NO_CONTENTION},
        {"disjoint", disjoint, VERDICT_DISJOINT_CPUS},
        {"mixed", mixed, VERDICT_MIXED_GROUP},
        {"others in group", others_in_group, VERDICT_MIXED_GROUP},
        {"other group", other_group, VERDICT_OTHER_GROUP},
        {"inert", inert, VERDICT_INERT},
        {"already low", already_low, VERDICT_ALREADY_LOW},
        {"young class", young_class, VERDICT_DWELL},
        {"just released", just_released, VERDICT_COOL_DOWN},
        {"observe", observe, VERDICT_MODE_OBSERVE},
        {"advise", advise, VERDICT_MODE_ADVISE},
        {"many changes", many_changes, VERDICT_RATE_LIMIT},
        {"nothing", nothing, VERDICT_TREATED},
};

static void test_each_verdict(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Treatment t = {.nice = 77};
                Verdict v;

                reset();
                rows[i].spoil();
                v = guard_check(&in, &t);
                if (v != rows[i].verdict)
                        fail_msg("%s: %s, not %s", rows[i].name, verdict_to_string(v),
                                 verdict_to_string(rows[i].verdict));
                assert_int_equal(t.nice, v == VERDICT_TREATED ? 19 : 77);
        }
}

/* Of two objections the one further up is named, whatever the other is. */
static void test_precedence(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (size_t j = i + 1; j < ELEMENTSOF(rows); j++) {
                        Treatment t;
                        Verdict v;

                        reset();
                        rows[j].spoil();
                        rows[i].spoil();
                        v = guard_check(&in, &t);
                        /* These rows set the same field, or the later makes the earlier moot. */
                        if (rows[i].spoil == idle || rows[i].spoil == unsure ||
                            rows[i].spoil == wrong_resource || rows[i].spoil == mixed ||
                            rows[i].spoil == others_in_group || rows[i].spoil == disjoint ||
                            rows[i].spoil == observe)
                                continue;
                        if (v != rows[i].verdict)
                                fail_msg("%s before %s: %s", rows[i].name, rows[j].name,
                                         verdict_to_string(v));
                }
}

static void test_never_demotes_protected(void **state) {
        Treatment t;

        reset();
        protected_with_treatment();
        assert_int_equal(guard_check(&in, &t), VERDICT_PROTECTED);
        policy.treatment[CLASS_SERVER] = (Treatment){.set = TREAT_NICE, .nice = 10};
        in.rule = NULL;
        assert_int_equal(guard_check(&in, &t), VERDICT_PROTECTED);
}

static void test_reach(void **state) {
        static const struct {
                bool cpu, io, memory, within, across, mixed;
                uint32_t set;
        } cases[] = {
                {1, 0, 0, 1, 0, 0, TREAT_NICE | TREAT_CPUS},
                {1, 0, 0, 0, 1, 0, TREAT_AUTOGROUP | TREAT_CPUS},
                {1, 0, 0, 1, 1, 0, TREAT_NICE | TREAT_AUTOGROUP | TREAT_CPUS},
                {1, 0, 0, 1, 1, 1, TREAT_NICE | TREAT_CPUS},
                {1, 0, 0, 0, 1, 1, TREAT_CPUS},
                {0, 1, 0, 1, 1, 0, TREAT_IOPRIO},
                {1, 1, 0, 1, 0, 0, TREAT_NICE | TREAT_CPUS | TREAT_IOPRIO},
                {0, 0, 1, 0, 1, 0, TREAT_NICE | TREAT_CPUS | TREAT_IOPRIO},
        };

        rule.has_treatment = true;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Treatment t;

                reset();
                rule = (Rule){.load_class = -1, .has_treatment = true};
                rule.treatment = (Treatment){.set = TREAT_NICE | TREAT_AUTOGROUP | TREAT_CPUS |
                                                    TREAT_IOPRIO,
                                             .nice = 5,
                                             .autogroup_nice = 5,
                                             .cpus = 2,
                                             .ioprio_class = 3};
                in.rule = &rule;
                in.meeting = (ContentionMeeting){
                        .contended = {cases[i].cpu, cases[i].io, cases[i].memory},
                        .within_group = cases[i].within,
                        .across_groups = cases[i].across,
                        .group_holds_protected = cases[i].mixed,
                        .shares_cpus = true,
                };
                assert_int_equal(guard_check(&in, &t), VERDICT_TREATED);
                assert_int_equal(t.set, cases[i].set);
        }
}

/* A group of ours is a way out of the root group, wherever those who wait are; out of others there
 * is none. */
static void test_own_group(void **state) {
        static const struct {
                uint8_t kind;
                bool known, reached;
        } cases[] = {
                {SCHED_GROUP_ROOT, true, true},
                {SCHED_GROUP_AUTOGROUP, true, true},
                {SCHED_GROUP_CGROUP, true, false},
                {SCHED_GROUP_CGROUP, false, true},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Treatment t;

                reset();
                rule = (Rule){.load_class = -1, .has_treatment = true};
                rule.treatment = (Treatment){.set = TREAT_CPU_WEIGHT};
                in.rule = &rule;
                in.meeting.within_group = false;
                in.meeting.across_groups = true;
                proc.valid = cases[i].known ? proc.valid | SAMPLE_GROUP
                                            : proc.valid & ~(uint32_t)SAMPLE_GROUP;
                proc.group_kind = cases[i].kind;
                assert_int_equal(guard_check(&in, &t),
                                 cases[i].reached ? VERDICT_TREATED : VERDICT_OTHER_GROUP);
                if (cases[i].reached)
                        assert_int_equal(t.set, TREAT_CPU_WEIGHT);
        }
}

static void test_clamp(void **state) {
        Treatment t;

        reset();
        in.rule = &rule;
        rule.has_treatment = true;
        rule.treatment = (Treatment){
                .set = 0xff,
                .nice = 100,
                .sched = SCHED_FIFO,
                .ioprio_class = 1, /* real time */
                .autogroup_nice = -5,
                .slice_usec = 1,
                .cpu_weight = 99999,
                .cpus = 8, /* not one that it may use */
        };
        policy.thresholds.nice_max = 10;
        in.meeting.contended[CONTENTION_IO] = true;
        in.meeting.across_groups = true;
        assert_int_equal(guard_check(&in, &t), VERDICT_TREATED);
        assert_int_equal(t.set, TREAT_NICE | TREAT_SLICE | TREAT_CPU_WEIGHT | TREAT_IO_WEIGHT);
        assert_int_equal(t.nice, 10);
        assert_int_equal(t.slice_usec, 100);
        assert_int_equal(t.cpu_weight, 10000);
        assert_int_equal(t.io_weight, 1);
}

/* Never up: what is as low already is not touched; of several threads only the executor knows. */
static void test_already_low(void **state) {
        Treatment t;

        reset();
        already_low();
        proc.n_threads = 2;
        assert_int_equal(guard_check(&in, &t), VERDICT_TREATED);
        proc.n_threads = 1;
        assert_int_equal(guard_check(&in, &t), VERDICT_ALREADY_LOW);
        rule = (Rule){.has_treatment = true,
                      .load_class = -1,
                      .treatment = {.set = TREAT_SCHED, .sched = SCHED_BATCH}};
        in.rule = &rule;
        proc.sched_policy = SCHED_IDLE;
        assert_int_equal(guard_check(&in, &t), VERDICT_ALREADY_LOW);
        proc.sched_policy = SCHED_OTHER;
        assert_int_equal(guard_check(&in, &t), VERDICT_TREATED);
}

static void test_standing(void **state) {
        reset();
        no_contention();
        just_released();
        idle();
        assert_int_equal(guard_check_standing(&in), VERDICT_TREATED);
        observe();
        assert_int_equal(guard_check_standing(&in), VERDICT_MODE_OBSERVE);
        exempt();
        assert_int_equal(guard_check_standing(&in), VERDICT_EXEMPT);
        rt_thread();
        assert_int_equal(guard_check_standing(&in), VERDICT_REALTIME);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_each_verdict), T(test_precedence), T(test_never_demotes_protected),
                T(test_reach),        T(test_own_group),  T(test_clamp),
                T(test_already_low),  T(test_standing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
