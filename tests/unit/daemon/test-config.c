/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <json-c/json_c_version.h>

#include "daemon/config.h"
#include "tests/unit/folder.h"
#include "util/io.h"

#define NAME "t.json"

static void assert_text(const char *a, const char *b) {
        assert_string_equal(a, b);
}

static void assert_treatment(const Treatment *a, const Treatment *b) {
        assert_int_equal(a->set, b->set);
        if (a->set & TREAT_NICE)
                assert_int_equal(a->nice, b->nice);
        if (a->set & TREAT_SCHED)
                assert_int_equal(a->sched, b->sched);
        if (a->set & TREAT_SLICE)
                assert_int_equal(a->slice_usec, b->slice_usec);
        if (a->set & TREAT_IOPRIO) {
                assert_int_equal(a->ioprio_class, b->ioprio_class);
                assert_int_equal(a->ioprio_level, b->ioprio_level);
        }
        if (a->set & TREAT_CPUS)
                assert_true(a->cpus == b->cpus);
        if (a->set & TREAT_AUTOGROUP)
                assert_int_equal(a->autogroup_nice, b->autogroup_nice);
        if (a->set & TREAT_CPU_WEIGHT)
                assert_int_equal(a->cpu_weight, b->cpu_weight);
        if (a->set & TREAT_IO_WEIGHT)
                assert_int_equal(a->io_weight, b->io_weight);
}

static void assert_rule(const Rule *a, const Rule *b) {
        assert_text(a->name, b->name);
        assert_text(a->comm, b->comm);
        assert_text(a->exe, b->exe);
        assert_text(a->unit, b->unit);
        assert_text(a->cgroup, b->cgroup);
        assert_text(a->origin, b->origin);
        assert_int_equal(a->has_uid, b->has_uid);
        assert_int_equal(a->uid, b->uid);
        assert_int_equal(a->exempt, b->exempt);
        assert_int_equal(a->load_class, b->load_class);
        assert_int_equal(a->has_treatment, b->has_treatment);
        assert_treatment(&a->treatment, &b->treatment);
}

static void assert_float(const float *a, const float *b) {
        assert_memory_equal(a, b, sizeof(*a));
}

static void assert_impact(const ImpactSettings *a, const ImpactSettings *b) {
        assert_int_equal(a->undo, b->undo);
        assert_float(&a->effect, &b->effect);
        assert_int_equal(a->intervals, b->intervals);
        assert_int_equal(a->wakeups, b->wakeups);
        assert_int_equal(a->before, b->before);
        assert_int_equal(a->probe, b->probe);
        assert_int_equal(a->remember, b->remember);
        assert_int_equal(a->remember_max, b->remember_max);
        assert_float(&a->floor_share, &b->floor_share);
        assert_int_equal(a->floor_io, b->floor_io);
        assert_int_equal(a->floor_after, b->floor_after);
}

static void assert_filters(const Policy *a, const Policy *b) {
        assert_int_equal(a->keep_filters, b->keep_filters);
        assert_int_equal(a->n_filters, b->n_filters);
        for (size_t i = 0; i < a->n_filters; i++) {
                const FilterSetting *x = &a->filters[i], *y = &b->filters[i];

                assert_text(x->interface, y->interface);
                assert_text(x->model, y->model);
                assert_int_equal(x->mode, y->mode);
                assert_int_equal(x->generic, y->generic);
                assert_float(&x->kill_share, &y->kill_share);
                assert_int_equal(x->kill_min, y->kill_min);
                assert_int_equal(x->sample_interval, y->sample_interval);
                assert_int_equal(x->n_allow, y->n_allow);
                for (size_t k = 0; k < x->n_allow; k++)
                        assert_text(x->allow[k], y->allow[k]);
        }
}

static void assert_policy(const Policy *a, const Policy *b) {
        const Thresholds *t = &a->thresholds, *u = &b->thresholds;

        assert_int_equal(a->mode, b->mode);
        assert_int_equal(a->keep_on_stop, b->keep_on_stop);
        assert_int_equal(a->fine_tuning, b->fine_tuning);
        assert_text(a->model, b->model);
        assert_int_equal(a->n_scope, b->n_scope);
        for (size_t i = 0; i < a->n_scope; i++) {
                assert_int_equal(a->scope[i].kind, b->scope[i].kind);
                assert_int_equal(a->scope[i].number, b->scope[i].number);
                assert_text(a->scope[i].text, b->scope[i].text);
        }
        for (int i = 0; i < _CLASS_COUNT; i++)
                assert_treatment(&a->treatment[i], &b->treatment[i]);
        assert_int_equal(a->n_rules, b->n_rules);
        for (size_t i = 0; i < a->n_rules; i++)
                assert_rule(&a->rules[i], &b->rules[i]);
        assert_int_equal(a->n_tunables, b->n_tunables);
        for (size_t i = 0; i < a->n_tunables; i++) {
                assert_ptr_equal(a->tunables[i].tunable, b->tunables[i].tunable);
                assert_text(a->tunables[i].value, b->tunables[i].value);
                assert_int_equal(a->tunables[i].when, b->tunables[i].when);
        }
        assert_int_equal(t->interval, u->interval);
        assert_int_equal(t->interval_max, u->interval_max);
        assert_float(&t->infer_change, &u->infer_change);
        assert_int_equal(a->priors.enabled, b->priors.enabled);
        assert_int_equal(a->priors.half_life, b->priors.half_life);
        assert_int_equal(a->priors.max, b->priors.max);
        assert_float(&t->confidence, &u->confidence);
        assert_float(&t->protect_confidence, &u->protect_confidence);
        assert_float(&t->delay_share, &u->delay_share);
        assert_int_equal(t->delay_per_slice, u->delay_per_slice);
        assert_float(&t->busy_share, &u->busy_share);
        assert_float(&t->io_pressure, &u->io_pressure);
        assert_float(&t->memory_pressure, &u->memory_pressure);
        assert_float(&t->hog_share, &u->hog_share);
        assert_int_equal(t->contention_after, u->contention_after);
        assert_int_equal(t->dwell, u->dwell);
        assert_int_equal(t->release_after, u->release_after);
        assert_int_equal(t->cool_down, u->cool_down);
        assert_int_equal(t->changes_per_minute, u->changes_per_minute);
        assert_int_equal(t->nice_max, u->nice_max);
        assert_impact(&a->impact, &b->impact);
        assert_filters(a, b);
}

static void apply(Policy *p, const char *json) {
        Error e = ERROR_INIT;

        if (config_apply_json(p, json, strlen(json), NAME, &e) < 0)
                fail_msg("%s", e.text);
}

static void set(Policy *p, const char *key, const char *value) {
        Error e = ERROR_INIT;

        if (config_apply_setting(p, key, value, &e) < 0)
                fail_msg("%s", e.text);
}

/* A policy in which everything differs from the defaults. */
static const char full[] =
        "// everything, with a \"quote\" in a comment\n"
        "{\"mode\": \"enforce\", \"on_stop\": \"keep\", /* a path // with slashes */\n"
        " \"model\": \"/srv/a//b/*c*/m.json\", \"scope\": [\"uid:5\", \"unit:a*.service\",\n"
        "   \"cgroup:/x\", \"session:7\", \"tree:12\"], \"interval\": \"250ms\",\n"
        " \"thresholds\": {\"confidence\": 0.1, \"protect_confidence\": 0.15,\n"
        "   \"delay_share\": 0.3, \"delay_per_slice\": \"1us\",\n"
        "   \"busy_share\": 0.33333333, \"io_pressure\": 1, \"memory_pressure\": 1e-7,\n"
        "   \"hog_share\": 12.5, \"contention_after\": \"2min\", \"dwell\": \"1.5s\",\n"
        "   \"release_after\": \"0s\", \"cool_down\": \"7s\", \"changes_per_minute\": 9,\n"
        "   \"nice_max\": 4},\n"
        " \"impact\": {\"undo\": false, \"effect\": 0.5, \"intervals\": 3, \"wakeups\": 7,\n"
        "   \"before\": \"3s\", \"probe\": \"0s\", \"remember\": \"1min\", \"remember_max\": "
        "\"2min\",\n"
        "   \"floor_share\": 0.01, \"floor_io\": 1000, \"floor_after\": \"9s\"},\n"
        " \"filter\": {\"on_stop\": \"keep\", \"interfaces\": [\n"
        "   {\"interface\": \"eth0.100\", \"model\": \"/srv/x.bpf.o\", \"mode\": \"enforce\",\n"
        "    \"generic\": true, \"kill_share\": 0.25, \"kill_min\": 77, \"sample_interval\": "
        "\"5ms\",\n"
        "    \"allow\": [\"192.0.2.0/24\", \"2001:DB8::1\", \"10.0.0.1/32\", \"::/0\"]},\n"
        "   {\"interface\": \"wlan0\", \"mode\": \"off\"}, {\"interface\": \"lan\"}]},\n"
        " \"priors\": {\"enabled\": false, \"half_life\": \"2h\", \"max\": 7},\n"
        " \"classes\": {\"idle\": {\"sched\": \"idle\"}, \"interactive\": {\"sched\": \"other\"},\n"
        "   \"server\": {\"sched\": \"batch\", \"slice\": \"3ms\"}, \"batch\": {\"nice\": 1,\n"
        "   \"ioprio\": \"idle\", \"cpus\": \"0-1,3,62-63\", \"cpu_weight\": \"idle\"},\n"
        "   \"io\": null, \"memory\": {\"autogroup_nice\": 3, \"ioprio\": \"be:0\",\n"
        "   \"cpu_weight\": 10000, \"io_weight\": 1}},\n"
        " \"rules\": [{\"name\": \"a\", \"match\": {\"comm\": \"c*\", \"exe\": \"/e\", \"unit\": "
        "\"u\",\n"
        "   \"cgroup\": \"/g\", \"uid\": 0}, \"exempt\": true},\n"
        "   {\"name\": \"b\", \"match\": {\"comm\": \"\xc3\xa4\"}, \"class\": \"idle\"},\n"
        "   {\"name\": \"c\", \"match\": {\"uid\": 4294967294}, \"treatment\": {},\n"
        "    \"class\": \"io\", \"origin\": \"elsewhere\"}],\n"
        " \"tunables\": {\"vm.swappiness\": 10, \"block.scheduler\": {\"value\": \"none\",\n"
        "   \"when\": \"io\"}, \"vm.dirty_ratio\": {\"value\": \"20\", \"when\": \"memory\"}}}\n";

static void test_full(void **state) {
        Policy p;

        assert_int_equal(policy_init_default(&p), 0);
        apply(&p, full);
        assert_int_equal(p.mode, MODE_ENFORCE);
        assert_true(p.keep_on_stop);
        assert_text(p.model, "/srv/a//b/*c*/m.json");
        assert_int_equal(p.n_scope, 5);
        assert_int_equal(p.scope[4].number, 12);
        assert_int_equal(p.thresholds.interval, 250000);
        assert_int_equal(p.thresholds.dwell, 1500000);
        assert_int_equal(p.thresholds.contention_after, 120000000);
        assert_int_equal(p.thresholds.changes_per_minute, 9);
        assert_int_equal(p.thresholds.nice_max, 4);
        assert_false(p.impact.undo);
        assert_int_equal(p.impact.intervals, 3);
        assert_int_equal(p.impact.remember_max, 120000000);
        assert_int_equal(p.impact.floor_io, 1000);
        assert_false(p.priors.enabled);
        assert_int_equal(p.priors.half_life, 7200 * USEC_PER_SEC);
        assert_int_equal(p.priors.max, 7);
        assert_int_equal(p.treatment[CLASS_IDLE].sched, SCHED_IDLE);
        assert_int_equal(p.treatment[CLASS_SERVER].slice_usec, 3000);
        assert_int_equal(p.treatment[CLASS_BATCH].set,
                         TREAT_NICE | TREAT_IOPRIO | TREAT_CPUS | TREAT_CPU_WEIGHT);
        assert_true(p.treatment[CLASS_BATCH].cpus == (UINT64_C(0xb) | UINT64_C(3) << 62));
        assert_int_equal(p.treatment[CLASS_BATCH].cpu_weight, 0);
        assert_int_equal(p.treatment[CLASS_BATCH].ioprio_class, 3);
        assert_int_equal(p.treatment[CLASS_IO].set, 0);
        assert_int_equal(p.n_rules, 3);
        assert_text(p.rules[0].origin, NAME);
        assert_text(p.rules[2].origin, "elsewhere");
        assert_int_equal(p.rules[1].load_class, CLASS_IDLE);
        assert_true(p.rules[2].has_treatment && p.rules[2].treatment.set == 0);
        assert_true(p.keep_filters);
        assert_int_equal(p.n_filters, 3);
        assert_text(p.filters[0].interface, "eth0.100");
        assert_text(p.filters[0].model, "/srv/x.bpf.o");
        assert_int_equal(p.filters[0].mode, FILTER_MODE_ENFORCE);
        assert_true(p.filters[0].generic);
        assert_int_equal(p.filters[0].kill_min, 77);
        assert_int_equal(p.filters[0].sample_interval, 5000);
        assert_int_equal(p.filters[0].n_allow, 4);
        /* As the kernel's list is shown. */
        assert_text(p.filters[0].allow[1], "2001:db8::1");
        assert_text(p.filters[0].allow[2], "10.0.0.1");
        assert_text(p.filters[0].allow[3], "::/0");
        assert_int_equal(p.filters[1].mode, FILTER_MODE_OFF);
        assert_text(p.filters[2].model, FILTER_MODEL_DEFAULT);
        assert_int_equal(p.filters[2].mode, FILTER_MODE_SHADOW);
        assert_int_equal(p.filters[2].n_allow, 0);
        assert_int_equal(p.n_tunables, 3);
        assert_text(p.tunables[2].value, "20");
        assert_int_equal(p.tunables[2].when, CONTENTION_MEMORY);
        policy_done(&p);
}

/* What a later document says of an interface is all that counts for it. */
static void test_filter_layers(void **state) {
        Policy p;

        assert_int_equal(policy_init_default(&p), 0);
        assert_false(p.keep_filters);
        assert_int_equal(p.n_filters, 0);
        apply(&p, "{\"filter\": {\"interfaces\": [{\"interface\": \"a\", \"mode\": \"enforce\",\n"
                  " \"allow\": [\"192.0.2.1\"]}, {\"interface\": \"b\"}]}}");
        apply(&p, "{\"filter\": {\"interfaces\": [{\"interface\": \"a\", \"kill_min\": 5},\n"
                  " {\"interface\": \"c\"}]}}");
        assert_int_equal(p.n_filters, 3);
        assert_text(p.filters[0].interface, "a");
        assert_int_equal(p.filters[0].mode, FILTER_MODE_SHADOW);
        assert_int_equal(p.filters[0].n_allow, 0);
        assert_int_equal(p.filters[0].kill_min, 5);
        assert_ptr_equal(filter_setting_find(p.filters, p.n_filters, "c"), &p.filters[2]);
        assert_null(filter_setting_find(p.filters, p.n_filters, "d"));
        set(&p, "filter.on_stop", "keep");
        assert_true(p.keep_filters);
        policy_done(&p);
}

static void assert_round_trip(const Policy *p) {
        _cleanup_free_
        char *json = config_to_json(p);
        Policy again;

        assert_non_null(json);
        assert_int_equal(policy_init_default(&again), 0);
        apply(&again, json);
        assert_policy(p, &again);
        policy_done(&again);
}

static void test_round_trip(void **state) {
        Policy p;

        assert_int_equal(policy_init_default(&p), 0);
        assert_round_trip(&p);
        apply(&p, full);
        assert_round_trip(&p);
        set(&p, "impact.undo", "true");
        assert_true(p.impact.undo);
        set(&p, "impact.undo", "false");
        assert_false(p.impact.undo);
        set(&p, "scope", "");
        set(&p, "model", "");
        assert_int_equal(p.n_scope, 0);
        assert_round_trip(&p);
        for (unsigned i = 1; i < 200; i++) {
                p.thresholds.confidence = (float)i / 200.0f;
                p.thresholds.hog_share = 1.0f / (float)i;
                p.thresholds.dwell = i * 12345;
                p.treatment[CLASS_BATCH].cpus = UINT64_C(0x9e3779b97f4a7c15) * i;
                assert_round_trip(&p);
        }
        policy_done(&p);
}

#define FILTER(body) "{\"filter\": {\"interfaces\": [{" body "}]}}"
#define RULE(body) "{\"rules\": [{\"name\": \"n\", " body "}]}"

/* What must be refused: the errno, and what the message must hold besides the file's name. */
static const struct {
        const char *json;
        int error;
        const char *part;
} bad[] = {
        /* not JSON */
        {"", EINVAL, "1:1"},
        {" \n ", EINVAL, "no JSON"},
        {"// nothing\n", EINVAL, "no JSON"},
        {"[]", EINVAL, "object"},
        {"12", EINVAL, "object"},
        {"null", EINVAL, "object"},
        {"\"mode\"", EINVAL, "object"},
        {"{", EINVAL, "too early"},
        {"{\"mode\": \"obs", EINVAL, "too early"},
        {"{}\n{}", EINVAL, "2:1"},
        {"{} x", EINVAL, "1:4"},
        {"{\"mode\" \"observe\"}", EINVAL, "1:9"},
        {"{\n\"mode\": observe}", EINVAL, "2:9"},
        {"{\"mode\": \"observe\",}", EINVAL, "1:20"},
        {"{'mode': 'observe'}", EINVAL, "1:10"},
        {"{\n'mode': \"observe\"}", EINVAL, "2:1: a key must stand in double quotes"},
        {"{\"scope\": [\"machine\",]}", EINVAL, "1:22"},
        {"{\"mode\": \"observe\" /* no end }", EINVAL, "1:20"},
        {"{\"mode\": \"\xff\"}", EINVAL, "1:"},
        {"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
         "\"a\":{"
         "\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}}",
         EINVAL, "16 levels"},
        {"{\"mo\\u0064e\": \"observe\"}", EINVAL, "escape"},
        /* keys */
        {"{\"mod\": \"observe\"}", EINVAL, ":1: mod: unknown key, did you mean \"mode\"?"},
        {"{\"\": 1}", EINVAL, "unknown key"},
        {"{\n\n\"thresholds\": {\n\"confidnce\": 1}}", EINVAL, ":4: thresholds.confidnce"},
        {"{\"thresholds\": {\"x\": 1}}", EINVAL, "delay_per_slice"},
        {"{\"thresholds.confidence\": 0.5}", EINVAL, "unknown key"},
        {"{\"classes\": {\"bach\": {}}}", EINVAL, "did you mean \"batch\"?"},
        {"{\"classes\": {\"batch\": {\"niec\": 1}}}", EINVAL, "classes.batch.niec"},
        {"{\"tunables\": {\"vm.swapiness\": 1}}", EINVAL, "did you mean \"vm.swappiness\"?"},
        {"{\"mode\": \"observe\",\n\"mode\": \"enforce\"}", EINVAL, ":2: this key is already"},
        {"{\"thresholds\": {\"dwell\": \"1s\", \"dwell\": \"2s\"}}", EINVAL, "already"},
        {RULE("\"exempt\": true, \"match\": {\"comm\": \"a\"}, \"exempt\": false"), EINVAL,
         "already"},
        {RULE("\"match\": {\"come\": \"a\"}"), EINVAL, "rules[0].match.come"},
        /* types */
        {"{\"mode\": 1}", EINVAL, "\"advise\""},
        {"{\"mode\": null}", EINVAL, "mode"},
        {"{\"mode\": \"Observe\"}", EINVAL, "mode"},
        {"{\"mode\": \"observe\\u0000\"}", EINVAL, "mode"},
        {"{\"on_stop\": true}", EINVAL, "restore"},
        {"{\"fine_tuning\": \"on\"}", EINVAL, "true or false"},
        {"{\"model\": \"model.json\"}", EINVAL, "absolute"},
        {"{\"scope\": \"machine\"}", EINVAL, "list"},
        {"{\"scope\": [1]}", EINVAL, "list"},
        {"{\"scope\": [\"planet\"]}", EINVAL, "planet"},
        {"{\"scope\": [\"uid:-1\"]}", EINVAL, "uid"},
        {"{\"filter\": {\"on_stop\": \"restore\"}}", EINVAL, "\"detach\" or \"keep\""},
        {"{\"filter\": {\"interfaces\": {}}}", EINVAL, "list of interfaces"},
        {"{\"filter\": {\"interfaces\": [1]}}", EINVAL, "filter.interfaces[0]: must be an object"},
        {FILTER(""), EINVAL, "\"interface\" must be named"},
        {FILTER("\"interface\": \"\""), EINVAL, "eth0"},
        {FILTER("\"interface\": \"a/b\""), EINVAL, "eth0"},
        {FILTER("\"interface\": \"..\""), EINVAL, "eth0"},
        {FILTER("\"interface\": \"a b\""), EINVAL, "eth0"},
        {FILTER("\"interface\": \"0123456789abcdef\""), ERANGE, "at most 15"},
        {FILTER("\"interface\": \"a\", \"mod\": \"off\""), EINVAL, "did you mean \"mode\"?"},
        {FILTER("\"interface\": \"a\", \"mode\": \"on\""), EINVAL, "\"shadow\""},
        {FILTER("\"interface\": \"a\", \"model\": \"x/y\""), EINVAL, "absolute path"},
        {FILTER("\"interface\": \"a\", \"generic\": 1"), EINVAL, "true or false"},
        {FILTER("\"interface\": \"a\", \"kill_share\": 0"), ERANGE, "0.001 to 1"},
        {FILTER("\"interface\": \"a\", \"kill_min\": 0"), ERANGE, "from 1"},
        {FILTER("\"interface\": \"a\", \"allow\": \"10.0.0.0/8\""), EINVAL, "list of prefixes"},
        {FILTER("\"interface\": \"a\", \"allow\": [7]"), EINVAL, "list of prefixes"},
        {FILTER("\"interface\": \"a\", \"allow\": [\"10.0.0.1/8\"]"), EINVAL, "behind its length"},
        {FILTER("\"interface\": \"a\", \"allow\": [\"10.0.0.0/33\"]"), EINVAL, "0 to 32"},
        {FILTER("\"interface\": \"a\", \"allow\": [\"eth0\"]"), EINVAL, "IPv4 or IPv6"},
        {"{\"interval\": 1}", EINVAL, "interval"},
        {"{\"interval\": \"1\"}", EINVAL, "interval"},
        {"{\"interval\": \"1 s\"}", EINVAL, "interval"},
        {"{\"interval\": \"-1s\"}", EINVAL, "interval"},
        {"{\"interval\": \"1e3ms\"}", EINVAL, "interval"},
        {"{\"interval\": \"1..5s\"}", EINVAL, "interval"},
        {"{\"interval\": \"s\"}", EINVAL, "interval"},
        {"{\"thresholds\": []}", EINVAL, "thresholds"},
        {"{\"thresholds\": {\"confidence\": \"0.5\"}}", EINVAL, "confidence"},
        {"{\"thresholds\": {\"confidence\": NaN}}", EINVAL, "confidence"},
        {"{\"thresholds\": {\"confidence\": Infinity}}", EINVAL, "confidence"},
        {"{\"thresholds\": {\"changes_per_minute\": 1.5}}", EINVAL, "changes_per_minute"},
        {"{\"classes\": {\"batch\": 19}}", EINVAL, "classes.batch"},
        {"{\"classes\": {\"batch\": {\"sched\": \"fifo\"}}}", EINVAL, "sched"},
        {"{\"classes\": {\"batch\": {\"ioprio\": \"be:8\"}}}", EINVAL, "be:7"},
        {"{\"classes\": {\"batch\": {\"ioprio\": \"rt:0\"}}}", EINVAL, "ioprio"},
        {"{\"classes\": {\"batch\": {\"cpus\": \"\"}}}", EINVAL, "cpus"},
        {"{\"classes\": {\"batch\": {\"cpus\": \"3-1\"}}}", EINVAL, "cpus"},
        {"{\"classes\": {\"batch\": {\"cpus\": \"0,64\"}}}", EINVAL, "cpus"},
        {"{\"classes\": {\"batch\": {\"cpus\": \"0,\"}}}", EINVAL, "cpus"},
        {"{\"classes\": {\"batch\": {\"cpu_weight\": \"low\"}}}", EINVAL, "cpu_weight"},
        {"{\"tunables\": {\"vm.swappiness\": true}}", EINVAL, "whole number"},
        {"{\"tunables\": {\"vm.swappiness\": {\"when\": \"io\"}}}", EINVAL, "whole number"},
        {"{\"tunables\": {\"vm.swappiness\": {\"value\": 1, \"when\": \"net\"}}}", EINVAL,
         "swappiness.when"},
        {"{\"tunables\": {\"vm.swappiness\": {\"value\": 1, \"then\": \"io\"}}}", EINVAL,
         "value, when"},
        {"{\"tunables\": {\"vm.swappiness\": \"ten\"}}", EINVAL, "ten"},
        {"{\"tunables\": {\"block.scheduler\": \"cfq\"}}", EINVAL, "cfq"},
        /* ranges */
        {"{\"interval\": \"99ms\"}", ERANGE, "100ms to 1min"},
        {"{\"interval\": \"61s\"}", ERANGE, "interval"},
        {"{\"interval_max\": \"61s\"}", ERANGE, "interval_max"},
        {"{\"interval_max\": 10}", EINVAL, "interval_max"},
        {"{\"thresholds\": {\"infer_change\": -1}}", ERANGE, "infer_change"},
        {"{\"thresholds\": {\"confidence\": 1.1}}", ERANGE, "0 to 1"},
        {"{\"thresholds\": {\"confidence\": -0.1}}", ERANGE, "confidence"},
        {"{\"thresholds\": {\"delay_share\": 1e999}}", EINVAL, "delay_share"},
        {"{\"thresholds\": {\"nice_max\": -1}}", ERANGE, "nice_max"},
        {"{\"impact\": {\"effect\": 0}}", ERANGE, "0.01 to 0.9"},
        {"{\"impact\": {\"intervals\": 17}}", ERANGE, "1 to 16"},
        {"{\"impact\": {\"efect\": 0.1}}", EINVAL, "effect"},
#if JSON_C_VERSION_NUM >= (18 << 8) /* which is strict about what no 64 bits hold */
        {"{\"thresholds\": {\"changes_per_minute\": 99999999999999999999999}}", EINVAL, "number"},
#else
        {"{\"thresholds\": {\"changes_per_minute\": 99999999999999999999999}}", ERANGE, "changes"},
#endif
        {"{\"classes\": {\"batch\": {\"nice\": -1}}}", ERANGE, "0 to 19"},
        {"{\"classes\": {\"batch\": {\"nice\": 20}}}", ERANGE, "0 to 19"},
        {"{\"classes\": {\"batch\": {\"slice\": \"1s\"}}}", ERANGE, "100us to 100ms"},
        {"{\"classes\": {\"batch\": {\"cpu_weight\": 0}}}", ERANGE, "cpu_weight"},
        {"{\"classes\": {\"batch\": {\"io_weight\": 10001}}}", ERANGE, "10000"},
        {"{\"tunables\": {\"vm.swappiness\": 0}}", ERANGE, "1 to 200"},
        /* rules */
        {"{\"rules\": {}}", EINVAL, "rules"},
        {"{\"rules\": [1]}", EINVAL, "rules[0]"},
        {"{\"rules\": [{\"exempt\": true, \"match\": {\"comm\": \"a\"}}]}", EINVAL, "name"},
        {RULE("\"exempt\": true"), EINVAL, "matches nothing"},
        {RULE("\"exempt\": true, \"match\": {}"), EINVAL, "matches nothing"},
        {RULE("\"match\": {\"comm\": \"a\"}"), EINVAL, "says nothing"},
        {RULE("\"match\": {\"comm\": \"a\"}, \"exempt\": \"yes\""), EINVAL, "true or false"},
        {RULE("\"match\": {\"comm\": \"a\"}, \"exempt\": true, \"class\": \"io\""), EINVAL,
         "alone"},
        {RULE("\"match\": {\"comm\": \"a\"}, \"class\": \"heavy\""), EINVAL, "interactive"},
        {RULE("\"match\": {\"cgroup\": \"a\"}, \"exempt\": true"), EINVAL, "path"},
        {RULE("\"match\": {\"uid\": -1}, \"exempt\": true"), ERANGE, "uid"},
        {RULE("\"match\": {\"comm\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaaaaaaa\"}, \"exempt\": true"),
         ERANGE, "63"},
};

static void test_bad(void **state) {
        Policy p, before;

        assert_int_equal(policy_init_default(&p), 0);
        apply(&p, full);
        assert_int_equal(policy_copy(&p, &before), 0);
        assert_true(ELEMENTSOF(bad) >= 40);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Error e = ERROR_INIT;
                int r;

                r = config_apply_json(&p, bad[i].json, strlen(bad[i].json), NAME, &e);
                if (r != -bad[i].error || strncmp(e.text, NAME ":", strlen(NAME ":")) != 0 ||
                    !strstr(e.text, bad[i].part) || strchr(e.text, '\n'))
                        fail_msg("%s\ngave %d: %s", bad[i].json, r, e.text);
                assert_policy(&p, &before);
                /* without an Error too */
                assert_int_equal(
                        config_apply_json(&p, bad[i].json, strlen(bad[i].json), NAME, NULL), r);
        }
        policy_done(&before);
        policy_done(&p);
}

static void test_bad_bytes(void **state) {
        static const char nul[] = "{\"mode\": \"observe\"}\0{}";
        _cleanup_free_
        char *big = calloc(1, 1024 * 1024 + 1);
        Error e = ERROR_INIT;
        Policy p;

        assert_int_equal(policy_init_default(&p), 0);
        assert_int_equal(config_apply_json(&p, nul, sizeof(nul) - 1, NAME, &e), -EINVAL);
        assert_non_null(strstr(e.text, "1:20: a NUL byte"));
        assert_non_null(big);
        memset(big, ' ', 1024 * 1024 + 1);
        memcpy(big, "{}", 2);
        assert_int_equal(config_apply_json(&p, big, 1024 * 1024, NAME, NULL), 0);
        e = ERROR_INIT;
        assert_int_equal(config_apply_json(&p, big, 1024 * 1024 + 1, NAME, &e), -EFBIG);
        assert_non_null(strstr(e.text, NAME));
        policy_done(&p);
}

/* Any byte of a good document changed or any part of it missing: refused or taken, never worse. */
static void test_mutations(void **state) {
        uint64_t seed = 1;
        Policy p, before;

        assert_int_equal(policy_init_default(&p), 0);
        assert_int_equal(policy_copy(&p, &before), 0);
        for (size_t i = 0; i < 10000; i++) {
                char text[sizeof(full)];
                size_t size = sizeof(full) - 1;
                Error e = ERROR_INIT;

                memcpy(text, full, sizeof(full));
                for (int k = 0; k < 1 + (int)(i % 3); k++) {
                        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
                        text[(seed >> 33) % size] = i % 2 ? (char)(seed >> 24)
                                                          : "{}[]\",:/*\\0"[(seed >> 24) % 11];
                }
                if (i % 5 == 0)
                        size = (seed >> 40) % size;
                if (config_apply_json(&p, text, size, NAME, &e) < 0) {
                        assert_true(e.text[0]);
                        assert_policy(&p, &before);
                } else {
                        policy_done(&p);
                        assert_int_equal(policy_copy(&before, &p), 0);
                }
        }
        policy_done(&before);
        policy_done(&p);
}

static void test_settings(void **state) {
        static const struct {
                const char *key, *value;
                int error;
                const char *part;
        } wrong[] = {
                {"", "", EINVAL, "unknown key"},
                {"mod", "observe", EINVAL, "did you mean \"mode\"?"},
                {"mode", "", EINVAL, "mode: must be"},
                {"mode", "x", EINVAL, "enforce"},
                {"rules", "[]", EINVAL, "policy.d"},
                {"tunables", "1", EINVAL, "tunables.NAME"},
                {"filter.interfaces", "eth0", EINVAL, "aikmctl filter"},
                {"filter.on_stop", "restore", EINVAL, "keep"},
                {"tunables.vm.x", "1", EINVAL, "vm.swappiness"},
                {"tunables.vm.dirty_ratio", "1", ERANGE, "2 to 80"},
                {"tunables.vm.dirty_ratio.when", "io", EINVAL, "first"},
                {"tunables.vm.swappiness.when", "x", EINVAL, "always"},
                {"classes", "", EINVAL, "unknown key"},
                {"classes.batch", "19", EINVAL, "classes.batch.nice"},
                {"classes.batch.nice", "20", ERANGE, "0 to 19"},
                {"classes.batch.nice", "1x", EINVAL, "0 to 19"},
                {"classes.batch.nic", "1", EINVAL, "did you mean \"nice\"?"},
                {"classes.bath.nice", "1", EINVAL, "did you mean \"batch\"?"},
                {"thresholds.confidence", "", EINVAL, "confidence"},
                {"thresholds.confidence", "nan", EINVAL, "confidence"},
                {"thresholds.confidnce", "1", EINVAL, "did you mean \"confidence\"?"},
                {"scope", "machine,", EINVAL, "scope"},
                {"scope", "uid:1,,uid:2", EINVAL, "scope"},
                {"interval", "5", EINVAL, "interval"},
        };
        Policy p, before;

        assert_int_equal(policy_init_default(&p), 0);
        set(&p, "mode", "enforce");
        assert_int_equal(p.mode, MODE_ENFORCE);
        set(&p, "scope", "tree:12,uid:1000");
        assert_int_equal(p.n_scope, 2);
        assert_int_equal(p.scope[1].number, 1000);
        set(&p, "interval", "2s");
        assert_int_equal(p.thresholds.interval, 2000000);
        set(&p, "thresholds.confidence", "0.25");
        assert_true(p.thresholds.confidence >= 0.25f && p.thresholds.confidence <= 0.25f);
        set(&p, "classes.batch.nice", "10");
        assert_int_equal(p.treatment[CLASS_BATCH].nice, 10);
        assert_true(p.treatment[CLASS_BATCH].set & TREAT_AUTOGROUP);
        set(&p, "classes.batch.autogroup_nice", "");
        assert_true(p.treatment[CLASS_BATCH].set & TREAT_CPU_WEIGHT);
        set(&p, "classes.batch.cpu_weight", "");
        assert_int_equal(p.treatment[CLASS_BATCH].set,
                         TREAT_NICE | TREAT_SLICE | TREAT_UNIT_CPU_WEIGHT);
        set(&p, "classes.batch.unit_cpu_weight", "idle");
        assert_int_equal(p.treatment[CLASS_BATCH].unit_cpu_weight, 0);
        set(&p, "classes.batch.unit_cpu_weight", "");
        set(&p, "classes.batch.slice", "");
        assert_int_equal(p.treatment[CLASS_BATCH].set, TREAT_NICE);
        set(&p, "classes.batch.unit_io_weight", "10");
        set(&p, "classes.batch.scope", "aikm.slice");
        assert_int_equal(p.treatment[CLASS_BATCH].set,
                         TREAT_NICE | TREAT_UNIT_IO_WEIGHT | TREAT_SCOPE);
        set(&p, "classes.batch.unit_io_weight", "");
        set(&p, "classes.batch.scope", "");
        set(&p, "classes.batch.cpus", "3");
        assert_true(p.treatment[CLASS_BATCH].cpus == 8);
        set(&p, "classes.memory", "");
        assert_int_equal(p.treatment[CLASS_MEMORY].set, 0);
        set(&p, "classes.batch.cpu_weight", "idle");
        set(&p, "tunables.vm.swappiness", "10");
        set(&p, "tunables.vm.swappiness.when", "io");
        set(&p, "tunables.vm.swappiness", "11");
        set(&p, "tunables.block.scheduler", "none");
        assert_int_equal(p.n_tunables, 2);
        assert_text(p.tunables[0].value, "11");
        assert_int_equal(p.tunables[0].when, CONTENTION_IO);
        set(&p, "tunables.vm.swappiness", "");
        assert_int_equal(p.n_tunables, 1);
        assert_text(p.tunables[0].value, "none");
        set(&p, "model", "rules");
        set(&p, "on_stop", "keep");
        set(&p, "fine_tuning", "true");
        assert_round_trip(&p);

        set(&p, "tunables.vm.swappiness", "12");
        assert_int_equal(policy_copy(&p, &before), 0);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                Error e = ERROR_INIT;
                int r = config_apply_setting(&p, wrong[i].key, wrong[i].value, &e);

                if (r != -wrong[i].error || !strstr(e.text, wrong[i].part) ||
                    !strstr(e.text, wrong[i].key))
                        fail_msg("%s=%s gave %d: %s", wrong[i].key, wrong[i].value, r, e.text);
                assert_policy(&p, &before);
        }
        policy_done(&before);
        policy_done(&p);
}

/* ---- files ---- */

typedef struct Tree {
        char path[64];
        int fd;
} Tree;

static void tree_file(const Tree *t, const char *path, const char *text) {
        char whole[512], *slash;
        int fd;

        snprintf(whole, sizeof(whole), "%s/%s", t->path, path);
        slash = strrchr(whole, '/');
        *slash = '\0';
        assert_int_equal(io_mkdir_p(whole, 0755), 0);
        fd = openat(t->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static int tree_setup(void **state) {
        Tree *t = calloc(1, sizeof(*t));

        snprintf(t->path, sizeof(t->path), "/tmp/test-config-XXXXXX");
        if (!mkdtemp(t->path))
                return -1;
        t->fd = open(t->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        *state = t;
        return 0;
}

static int tree_teardown(void **state) {
        Tree *t = *state;
        int r = folder_remove(t->path);

        close(t->fd);
        free(t);
        return r;
}

static void test_no_file(void **state) {
        const Tree *t = *state;
        Error e = ERROR_INIT;
        Policy p, defaults;

        assert_int_equal(config_load(t->fd, NULL, &p, &e), 0);
        assert_int_equal(policy_init_default(&defaults), 0);
        set(&defaults, "model", "default");
        assert_policy(&p, &defaults);
        policy_done(&defaults);
        policy_done(&p);
}

#define EXEMPT(name) \
        "{\"rules\": [{\"name\": \"" name "\", \"match\": {\"uid\": 1}, \"exempt\": true}]}"

static void test_layers(void **state) {
        const Tree *t = *state;
        Error e = ERROR_INIT;
        Policy p;

        tree_file(t, "." AIKM_LIB_DIR "/aikmd.json",
                  "{\"mode\": \"advise\", \"interval\": \"5s\", \"classes\": {\"batch\": "
                  "{\"nice\": 3}},"
                  "\"rules\": [{\"name\": \"first\", \"match\": {\"uid\": 1}, \"exempt\": true}]}");
        tree_file(t, "run/aikmd/aikmd.json", "{\"interval\": \"6s\", \"on_stop\": \"keep\"}");
        tree_file(t, "etc/aikmd/aikmd.json", "{\"mode\": \"enforce\"}");
        tree_file(t, "." AIKM_LIB_DIR "/policy.d/10-a.json", EXEMPT("replaced"));
        tree_file(t, "etc/aikmd/policy.d/10-a.json", EXEMPT("replacing"));
        tree_file(t, "etc/aikmd/policy.d/20-b.json", "{\"tunables\": {\"vm.swappiness\": 7}}");
        tree_file(t, "." AIKM_LIB_DIR "/policy.d/30-c.json",
                  "{\"tunables\": {\"vm.swappiness\": null}, \"on_stop\": \"restore\","
                  "\"rules\": [{\"name\": \"last\", \"match\": {\"uid\": 1}, \"exempt\": true}]}");
        tree_file(t, "." AIKM_LIB_DIR "/policy.d/20-b.json~", "not read");
        tree_file(t, "." AIKM_LIB_DIR "/policy.d/.hid.json", "not read");
        if (config_load(t->fd, NULL, &p, &e) < 0)
                fail_msg("%s", e.text);
        assert_int_equal(p.mode, MODE_ENFORCE);
        assert_int_equal(p.thresholds.interval, 6000000);
        assert_false(p.keep_on_stop);
        assert_int_equal(p.treatment[CLASS_BATCH].set, TREAT_NICE);
        assert_int_equal(p.n_tunables, 0);
        assert_int_equal(p.n_rules, 3);
        assert_text(p.rules[0].name, "first");
        assert_text(p.rules[0].origin, AIKM_LIB_DIR "/aikmd.json");
        assert_text(p.rules[1].name, "replacing");
        assert_text(p.rules[1].origin, "/etc/aikmd/policy.d/10-a.json");
        assert_text(p.rules[2].name, "last");
        policy_done(&p);

        /* A bad file anywhere: nothing of it all. */
        tree_file(t, "." AIKM_LIB_DIR "/policy.d/30-c.json", "{\n\"rule\": []}");
        memset(&p, 0x5a, sizeof(p));
        assert_int_equal(config_load(t->fd, NULL, &p, &e), -EINVAL);
        assert_non_null(strstr(e.text, AIKM_LIB_DIR "/policy.d/30-c.json:2: rule:"));
        for (size_t i = 0; i < sizeof(p); i++)
                assert_int_equal(((const unsigned char *)&p)[i], 0x5a);
}

static void test_odd_files(void **state) {
        static const char *const dirs[] = {"/own", NULL};
        const Tree *t = *state;
        Error e = ERROR_INIT;
        Policy p;

        tree_file(t, "own/policy.d/a.json", "{}");
        assert_int_equal(mkfifoat(t->fd, "own/aikmd.json", 0600), 0);
        assert_int_equal(config_load(t->fd, dirs, &p, &e), -EINVAL);
        assert_non_null(strstr(e.text, "/own/aikmd.json: is not a regular file"));
        assert_int_equal(unlinkat(t->fd, "own/aikmd.json", 0), 0);
        assert_int_equal(config_load(t->fd, dirs, &p, NULL), 0);
        policy_done(&p);

        e = ERROR_INIT;
        assert_int_equal(unlinkat(t->fd, "own/policy.d/a.json", 0), 0);
        assert_int_equal(symlinkat("a.json", t->fd, "own/policy.d/a.json"), 0);
        assert_int_equal(config_load(t->fd, dirs, &p, &e), -ELOOP);
        assert_non_null(strstr(e.text, "a.json"));
}

/* Below the real root a file that others may write to does not steer the daemon. */
static void test_owner(void **state) {
        const Tree *t = *state;
        char own[96];
        const char *dirs[] = {own, NULL};
        _cleanup_close_
        int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        Error e = ERROR_INIT;
        Policy p;

        snprintf(own, sizeof(own), "%s/own", t->path);
        tree_file(t, "own/aikmd.json", "{}");
        assert_int_equal(fchmodat(t->fd, "own/aikmd.json", 0666, 0), 0);
        assert_int_equal(config_load(root, dirs, &p, &e), -EPERM);
        assert_non_null(strstr(e.text, "/own/aikmd.json: "));
        /* a fake root: its owner's affair */
        assert_int_equal(config_load(t->fd, (const char *[]){"/own", NULL}, &p, NULL), 0);
        policy_done(&p);
        if (geteuid() != 0)
                return;
        assert_int_equal(fchmodat(t->fd, "own/aikmd.json", 0644, 0), 0);
        assert_int_equal(config_load(root, dirs, &p, NULL), 0);
        policy_done(&p);
        assert_int_equal(fchmodat(t->fd, "own", 0777, 0), 0);
        assert_int_equal(config_load(root, dirs, &p, NULL), -EPERM);
        assert_int_equal(fchmodat(t->fd, "own", 0755, 0), 0);
        assert_int_equal(fchownat(t->fd, "own/aikmd.json", 65534, 65534, 0), 0);
        assert_int_equal(config_load(root, dirs, &p, NULL), -EPERM);
}

/* etc/aikmd.json says what the program would do without it. */
static void test_shipped(void **state) {
        _cleanup_close_
        int source = open(SOURCE_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
        Error e = ERROR_INIT;
        Policy p, defaults;

        if (config_load(source, (const char *[]){"/etc", NULL}, &p, &e) < 0)
                fail_msg("%s", e.text);
        assert_true(p.n_rules > 40);
        for (size_t i = 0; i < p.n_rules; i++)
                assert_true(p.rules[i].exempt || p.rules[i].load_class == CLASS_BATCH);
        assert_int_equal(policy_init_default(&defaults), 0);
        set(&defaults, "model", "default");
        p.n_rules = 0;
        assert_policy(&p, &defaults);
        policy_done(&defaults);
        policy_done(&p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_filter_layers),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_bad_bytes),
                cmocka_unit_test(test_mutations),
                cmocka_unit_test(test_settings),
                cmocka_unit_test_setup_teardown(test_no_file, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(test_layers, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(test_odd_files, tree_setup, tree_teardown),
                cmocka_unit_test_setup_teardown(test_owner, tree_setup, tree_teardown),
                cmocka_unit_test(test_shipped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
