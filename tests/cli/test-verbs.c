/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each verb of aikmctl against canned answers: text, JSON, statuses, complaints. */
#include "fixture.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <locale.h>
#include <sys/stat.h>

#include "util/macro.h"

static Fixture fixture;
static Output o;

static void run(const char *line, int status) {
        fixture_expect(&fixture, line, status, &o);
}

/* Runs a line with --json and gives back the one document that it printed. */
static json_object *run_json(const char *line, int status) {
        struct json_tokener *tokener = json_tokener_new();
        char with[512];
        json_object *doc;

        snprintf(with, sizeof(with), "%s --json", line);
        run(with, status);
        assert_non_null(tokener);
        doc = json_tokener_parse_ex(tokener, o.out, (int)strlen(o.out));
        assert_non_null(doc);
        /* One document and its newline, nothing behind. */
        assert_int_equal(json_tokener_get_parse_end(tokener), strlen(o.out));
        json_tokener_free(tokener);
        return doc;
}

static json_object *member(json_object *doc, const char *key) {
        json_object *v = NULL;

        assert_true(json_object_object_get_ex(doc, key, &v));
        return v;
}

static int start(void **state) {
        fixture_start_fake(&fixture, NULL);
        return 0;
}

static int start_deny(void **state) {
        fixture_start_fake(&fixture, "--deny");
        return 0;
}

static int stop(void **state) {
        fixture_stop_fake(&fixture);
        return 0;
}

static void test_status(void **state) {
        json_object *doc;

        run("status", 0);
        assert_says(o.out, "aikmd 9.9.9, running for 1min 40s");
        assert_says(o.out, "observe: nothing is changed");
        assert_says(o.out, "proc: no right to load BPF");
        assert_says(o.out, "7 lost, 2 rescans: no tp_btf");
        assert_says(o.out, "rules 1: the manifest's sha256 differs");
        assert_says(o.out, "cpu; redis-server (77) waits 430ms a second; CPUs 97% busy");
        assert_says(o.out,
                    "0.03% of one CPU, 12 wake-ups a minute, 8.1M memory, 450us CPU per tick");
        assert_says(o.out, "312, 20 judged in the last tick, 5 as before, 1 treated");
        assert_says(o.out, "4.0s: nothing changes and nothing waits, 123 ticks");
        assert_says(o.out, "none: the kernel has no PSI");
        assert_says(o.out, "/etc/aikmd/aikmd.json:3: unknown key colour");
        assert_says(o.out, "ioprio   inert       no disk uses bfq or mq-deadline");
        assert_null(strchr(o.out, '\033'));

        doc = run_json("status", 0);
        assert_string_equal(json_object_get_string(member(doc, "mode")), "observe");
        assert_int_equal(json_object_get_int64(member(doc, "interval_usec")), 1000000);
        assert_int_equal(json_object_get_int64(member(doc, "pause_usec")), 4000000);
        assert_float_equal(json_object_get_double(member(doc, "cpu_share")), 0.00034, 1e-9);
        assert_int_equal(json_object_array_length(member(doc, "contended")), 1);
        assert_string_equal(
                json_object_get_string(
                        member(json_object_array_get_idx(member(doc, "actuators"), 2), "state")),
                "unsupported");
        /* A type that the contract does not know is passed over. */
        assert_false(json_object_object_get_ex(doc, "from_the_future", NULL));
        json_object_put(doc);
}

static void test_ps(void **state) {
        json_object *doc, *row;

        run("ps", 0);
        assert_says(o.out, " PID USER");
        assert_says(o.out, "4242 root batch   99% 85.0  10.0    - 4.0M   4 19 treated");
        assert_says(o.out, "2 sleeping processes are not shown");
        assert_true(strstr(o.out, "stress-ng") < strstr(o.out, "redis-server"));
        run("ps --sort wait", 0);
        assert_true(strstr(o.out, "redis-server") < strstr(o.out, "stress-ng"));
        run("ps --sort wait --reverse", 0);
        assert_true(strstr(o.out, "stress-ng") < strstr(o.out, "redis-server"));
        /* A name cannot steer the terminal. */
        run("ps --all", 0);
        assert_says(o.out, "evil\\n\\x1b[31mname");
        assert_null(strstr(o.out, "not shown"));
        run("ps --class io --no-legend", 0);
        assert_int_equal(strncmp(o.out, " 17 ", 4), 0);
        assert_null(strstr(o.out, "redis"));
        run("ps --treated", 0);
        assert_null(strstr(o.out, "rsync"));

        doc = run_json("ps -n 2 --sort pid", 0);
        assert_int_equal(json_object_array_length(doc), 2);
        row = json_object_array_get_idx(doc, 1);
        assert_int_equal(json_object_get_int(member(row, "pid")), 77);
        assert_int_equal(json_object_get_int(member(row, "ppid")), 1);
        json_object_put(doc);
        doc = run_json("ps -t", 0);
        row = json_object_array_get_idx(doc, 0);
        /* Unknown stays away; it is not zero. */
        assert_false(json_object_object_get_ex(row, "io_bytes", NULL));
        assert_true(json_object_get_boolean(member(row, "treated")));
        json_object_put(doc);
}

static void test_explain(void **state) {
        json_object *doc;

        run("explain 4242", 0);
        assert_says(o.out, "stress-ng (4242) computes in long bursts");
        assert_says(o.out, "class batch, 99% sure");
        assert_says(o.out, "treated for 12s: demoted now, because protected processes wait");
        assert_says(o.out, "redis-server (77), which waits 430ms a second");
        assert_says(o.out, "other nice=0 other nice=19");
        assert_says(o.out, "72%, from 99 earlier processes of another build of /usr/bin/stress-ng");
        assert_says(o.out, "judged by its children, which come and go and use 150%");
        assert_says(o.out, "runs 9.9ms at a stretch"); /* log1p turned back */
        assert_null(strstr(o.out, "  read "));         /* zeros are left out */
        doc = run_json("explain 4242", 0);
        assert_int_equal(json_object_array_length(member(doc, "entries")), 2);
        assert_true(json_object_get_double(member(member(doc, "probabilities"), "batch")) > 0.98);
        json_object_put(doc);
        run("explain 5", 1);
        assert_says(o.err, "there is no process 5");
        run("explain five", 2);
        assert_says(o.err, "explain five: not a PID");
        run("explain", 2);
        run("explain 99999999999999999999", 2);
}

static void test_policy(void **state) {
        json_object *doc;

        run("policy list", 0);
        assert_says(o.out, "batch nice=19 autogroup_nice=19");
        assert_says(o.out, "idle  left alone");
        assert_says(o.out, "audio comm=pipewire* exempt=true");
        assert_says(o.out, "vm.swappiness value=10 when=memory");
        run("policy set classes.batch.nice=7", 0);
        doc = run_json("policy show", 0);
        assert_int_equal(
                json_object_get_int(member(member(member(doc, "classes"), "batch"), "nice")), 7);
        json_object_put(doc);
        run("policy set colour=red", 1);
        assert_says(o.err, "colour: unknown key");
        run("policy set nonsense", 2);
        assert_says(o.err, "policy set nonsense: not KEY=VALUE");
        run("policy set", 2);
        run("policy reset", 0);
        run("policy frob", 2);
        assert_says(o.err, "not one of list, show, set, reset");
}

static void test_mode(void **state) {
        json_object *doc;

        run("mode", 0);
        assert_string_equal(o.out, "observe\n");
        run("mode enforce", 0);
        assert_string_equal(o.out, "The mode is enforce now, it was observe.\n");
        run("mode enforce", 0);
        assert_says(o.out, "already");
        doc = run_json("mode", 0);
        assert_string_equal(json_object_get_string(member(doc, "mode")), "enforce");
        json_object_put(doc);
        run("mode lax", 2);
        assert_says(o.err, "mode lax: not one of observe, advise, enforce");
}

static void test_ledger(void **state) {
        json_object *doc;

        run("ledger", 0);
        assert_says(o.out, "    17 active 12s ago sched    4242 stress-ng   2 other nice=0");
        assert_null(strstr(o.out, "foreign"));
        run("ledger --all", 0);
        assert_says(o.out, "foreign");
        doc = run_json("ledger --all", 0);
        assert_int_equal(json_object_array_length(doc), 3);
        json_object_put(doc);
}

static void test_impact(void **state) {
        json_object *doc;

        run("impact", 0);
        assert_says(o.out, "redis-server[77] 2.0ms -> 100us");
        assert_says(o.out, "-95%");
        assert_says(o.out, "stress-ng 98% -> 49%, stress-ng 98% -> 49% +1 helped");
        assert_says(o.out, "no-effect, undone");
        run("impact 1", 0);
        assert_says(o.out, "For the sake of redis-server (77), which waited for cpu; for 9.0s.");
        assert_says(o.out, "Before        2.0ms per wake-up; waits 25% of the time; 200 wake-ups");
        assert_says(o.out, "During        100us per wake-up");
        assert_says(o.out, "became 0.050 of what it would have been");
        assert_says(o.out, "7 others");
        run("impact 3", 0);
        assert_says(o.out, "0 wake-ups in 4.0 s: too few for a mean");
        run("impact 99", 1);
        assert_says(o.err, "episode 99 is not kept");
        run("impact 0", 2);
        assert_says(o.err, "impact 0: not the number of an episode");
        run("impact x", 2);
        run("impact 1 2", 2);
        doc = run_json("impact", 0);
        assert_int_equal(json_object_array_length(doc), 3);
        json_object_put(doc);
}

static void test_priors(void **state) {
        json_object *doc;

        run("priors", 0);
        assert_says(o.out, "batch    97% 41.3      1234 3.0s cc1  /usr/lib/gcc/cc1");
        doc = run_json("priors", 0);
        assert_int_equal(json_object_array_length(doc), 2);
        assert_string_equal(
                json_object_get_string(member(json_object_array_get_idx(doc, 0), "comm")), "cc1");
        json_object_put(doc);
        run("priors remember", 2);
        assert_says(o.err, "priors remember: only forget [PATH] may follow");
        run("priors forget cc1", 2);
        assert_says(o.err, "priors forget cc1: not an absolute path");
        run("priors forget /bin/other", 1);
        assert_says(o.err, "nothing is known of /bin/other");
        run("priors forget /usr/lib/gcc/cc1", 0);
        assert_string_equal(o.out, "Forgotten: 1 program.\n");
        doc = run_json("priors forget", 0);
        assert_int_equal(json_object_get_int(member(doc, "forgotten")), 2);
        json_object_put(doc);
        run("priors", 0);
        assert_string_equal(o.out, "Nothing is known of any program yet.\n");
}

static void test_filter_usage(void **state) {
        static const struct {
                const char *line, *says;
        } wrong[] = {
                {"filter atach eth0", "filter atach: not one of status, attach"},
                {"filter attach", "filter attach takes IFACE"},
                {"filter attach lan0 lan1", "filter attach takes IFACE"},
                {"filter attach lan0 --model=", "--model: the name of a filter's model"},
                {"filter detach", "filter detach takes IFACE"},
                {"filter status lan0", "filter status takes no argument"},
                {"filter mode", "filter mode takes shadow|enforce [IFACE]"},
                {"filter mode observe", "filter mode observe: not one of shadow, enforce"},
                {"filter mode enforce lan0", "filter mode enforce needs --for TIME"},
                {"filter mode shadow lan0 --for 1m", "filter mode shadow takes no --for"},
                {"filter mode enforce lan0 --for 5", "--for 5: a time such as"},
                {"filter mode enforce lan0 --for 0s", "--for 0s: a time such as"},
                {"filter mode enforce lan0 --for 25h", "at most 24h"},
                {"filter mode enforce lan0 --for 1.5h", "--for 1.5h: a time such as"},
                {"filter mode enforce lan0 --for 99999999999999999999s", "at most 24h"},
                {"filter mode enforce lan0 -i lan1 --for 1m", "the interface is named twice"},
                {"filter mode enforce --for 1m --kill-share 0", "from 0.001 to 1"},
                {"filter mode enforce --for 1m --kill-share 50%", "from 0.001 to 1"},
                {"filter mode shadow --kill-share 1", "shadow drops nothing"},
                {"filter allow", "filter allow takes add PREFIX"},
                {"filter allow put 192.0.2.1", "filter allow put: not one of add, del, list"},
                {"filter allow add", "filter allow add needs a prefix"},
                {"filter allow list lan0 lan1", "lan1 is too much"},
                {"filter explain", "filter explain takes ADDRESS"},
                {"filter top --lines 0", "--lines 0: a number from 1 to 1000"},
                {"filter top lan0 --model x", "filter top takes no --model"},
                {"filter attach lan0 --for 1m", "filter attach takes no --for"},
                {"filter --modle x", "did you mean --model?"},
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                run(wrong[i].line, 2);
                assert_says(o.err, wrong[i].says);
        }
}

static void test_filter_one(void **state) {
        json_object *doc;

        run("filter", 0);
        assert_string_equal(o.out, "No interface has a filter.\n");
        run("filter top", 1);
        assert_says(o.err, "aikmctl filter attach IFACE attaches one");
        run("filter attach lan0 --model three", 1);
        assert_says(o.err, "there is no filter model three");
        run("filter attach lan0", 0);
        /* Another model for one that drops. */
        assert_says(o.out, "It goes on dropping what it takes for malicious");
        run("filter", 0);
        assert_says(o.out, "lan0      enforce, 10min 0s left default-filter native request");
        assert_says(o.out, "50k (25%)");
        doc = run_json("filter status", 0);
        assert_int_equal(json_object_array_length(doc), 1);
        assert_int_equal(
                json_object_get_int64(member(json_object_array_get_idx(doc, 0), "lease_usec")),
                600000000);
        json_object_put(doc);

        /* The only one need not be named. */
        run("filter mode enforce --for 15m", 0);
        assert_says(o.out, "The filter on lan0 drops what it takes for malicious, for 15min");
        run("filter mode enforce lan0 --for 900s", 0);
        run("filter mode enforce -i lan0 --for 15min", 0);
        run("filter mode enforce --for 15m --kill-share 0.9", 0);
        doc = run_json("filter", 0);
        assert_float_equal(
                json_object_get_double(member(json_object_array_get_idx(doc, 0), "kill_share")),
                0.9, 1e-9);
        assert_int_equal(
                json_object_get_int64(member(json_object_array_get_idx(doc, 0), "kill_min")), 400);
        json_object_put(doc);
        run("filter mode shadow", 0);
        assert_string_equal(o.out, "The filter on lan0 drops nothing.\n");
        run("filter mode shadow lan7", 1);
        assert_says(o.err, "no filter is attached to lan7");
        run("filter allow add 192.0.2.0/24", 0);
        assert_string_equal(o.out, "192.0.2.0/24 is on the allow-list of lan0.\n");
        run("filter allow add 192.0.2.1 lan0", 0);
        assert_string_equal(o.out, "192.0.2.1 is on the allow-list of lan0 already.\n");
        run("filter allow del 192.0.2.1", 1);
        assert_says(o.err, "192.0.2.1 is not on the allow-list of lan0");
        run("filter allow add nonsense", 1);
        assert_says(o.err, "an IPv4 or IPv6 address is accepted");
        run("filter allow list", 0);
        assert_string_equal(o.out, "192.0.2.0/24\n2001:db8::1\n");
        doc = run_json("filter allow list", 0);
        assert_int_equal(json_object_array_length(doc), 2);
        json_object_put(doc);
        doc = run_json("filter allow del 192.0.2.0/24", 0);
        assert_true(json_object_get_boolean(member(doc, "result")));
        json_object_put(doc);
}

static void test_filter_show(void **state) {
        json_object *doc;

        run("filter attach lan0", 0);
        run("filter top", 0);
        assert_says(o.out, "198.51.100.66     90k");
        assert_says(o.out, "45k (50%)");
        assert_says(o.out, "2001:db8::7");
        run("filter top -n 1 lan0", 0);
        assert_null(strstr(o.out, "2001:db8::7"));
        doc = run_json("filter top", 0);
        assert_int_equal(json_object_array_length(doc), 2);
        json_object_put(doc);
        run("filter explain 198.51.100.66", 0);
        assert_says(o.out, "198.51.100.66 on lan0");
        assert_says(o.out, "45k, of which 40k were dropped");
        assert_says(o.out, "800ms ago: malicious, class 1 flood, dropped; to 203.0.113.5 port 80");
        assert_says(o.out, "tcp_syn                          1");
        assert_says(o.out, "source_syns                      4500");
        run("filter explain 192.0.2.9 lan0", 0);
        assert_says(o.out, "by 192.0.2.0/24: its packets are passed unjudged");
        doc = run_json("filter explain 198.51.100.66", 0);
        assert_int_equal(json_object_get_int(member(member(doc, "sample_fields"), "tcp_syn")), 1);
        json_object_put(doc);
}

/* With two of them one has to be named. */
static void test_filter_two(void **state) {
        run("filter attach lan0", 0);
        run("filter attach lan1", 0);
        assert_says(o.out, "It judges and counts, and drops nothing");
        run("filter", 0);
        assert_says(o.out, "shadow: kill switch");
        assert_says(o.out, "28M");
        assert_says(o.out, "00000000deadbeef");
        assert_says(o.out, "policy");
        run("filter top", 2);
        assert_says(o.err, "several interfaces have a filter: name one");
        run("filter top lan1", 0);
        run("filter explain 198.51.100.66 -i lan1", 0);
        assert_says(o.out, "198.51.100.66 on lan1");
        run("filter detach lan1", 0);
        assert_string_equal(o.out, "No filter is on lan1 any more.\n");
        run("filter detach lan1", 1);
        run("filter detach lan0", 0);
}

/* An object goes as bytes: the daemon need not see the file. */
static void test_filter_object(void **state) {
        char folder[] = "/tmp/aikm-cli-filter.XXXXXX", path[64], line[160];
        FILE *f;

        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/mine.bpf.o", folder);
        snprintf(line, sizeof(line), "filter attach lan0 --model %s", path);
        run(line, 1);
        assert_says(o.err, "mine.bpf.o: No such file");
        f = fopen(path, "we");
        assert_non_null(f);
        fputs("these bytes", f);
        assert_int_equal(fclose(f), 0);
        run(line, 1);
        assert_says(o.err, "mine: these bytes, sheet none");
        snprintf(path, sizeof(path), "%s/mine.json", folder);
        f = fopen(path, "we");
        assert_non_null(f);
        fputs("{}", f);
        assert_int_equal(fclose(f), 0);
        run(line, 1);
        assert_says(o.err, "mine: these bytes, sheet {}");
        assert_int_equal(remove(path), 0);
        snprintf(path, sizeof(path), "%s/mine.bpf.o", folder);
        assert_int_equal(remove(path), 0);
        assert_int_equal(rmdir(folder), 0);
}

static void test_filter_denied(void **state) {
        run("filter", 0);
        run("filter attach lan0", 1);
        assert_says(o.err, "refused: caller is not root");
}

static void test_rollback(void **state) {
        json_object *doc;

        run("rollback 99", 1);
        assert_says(o.err,
                    "99 is neither an action of the ledger nor the PID of a treated process");
        run("rollback pid:99", 1);
        assert_says(o.err, "there is no pid 99");
        run("rollback nobody", 2);
        run("rollback pid:", 2);
        run("rollback --pid --action 4", 2);
        run("rollback 4242", 0);
        assert_string_equal(
                o.out,
                "Process 4242: 2 restored, 1 left alone (somebody else changed it since).\n");
        run("ledger", 0);
        assert_string_equal(o.out, "Nothing is changed now.\n");
        doc = run_json("rollback 17", 0);
        assert_string_equal(json_object_get_string(member(doc, "what")), "action");
        assert_int_equal(json_object_get_int(member(doc, "number")), 17);
        assert_int_equal(json_object_get_int(member(doc, "foreign")), 1);
        json_object_put(doc);
        run("rollback all", 0);
        assert_says(o.out, "Everything: ");
}

static void test_denied(void **state) {
        static const char *const lines[] = {"mode enforce", "rollback all", "policy set a=b",
                                            "policy reset"};

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                run(lines[i], 1);
                assert_says(o.err, "refused: caller is not root");
        }
        run("status", 0);
}

static void test_top_text(void **state) {
        json_object *doc;

        run("top --once", 0);
        assert_says(o.out, "aikmd 9.9.9  mode observe  312 processes, 1 treated, 2 asleep");
        assert_says(o.out, "By cpu");
        assert_says(o.out, "stress-ng");
        /* The screens come with the daemon's ticks. */
        run("top --batch -n 3", 0);
        assert_says(strstr(strstr(o.out, "By cpu") + 1, "By cpu") + 1, "By cpu");
        run("top -b -n 2 --delay 0.1 -s pid", 0);
        assert_says(o.out, "By pid");
        doc = run_json("top --once", 0);
        assert_int_equal(json_object_array_length(member(doc, "processes")), 3);
        assert_string_equal(json_object_get_string(member(member(doc, "status"), "version")),
                            "9.9.9");
        json_object_put(doc);
        run("top", 2);
        assert_says(o.err, "needs a terminal");
        run("top --delay 0 --once", 2);
        run("top -n 3", 2);
        run("top --once --batch", 2);
}

static void test_not_running(void **state) {
        static const char *const lines[] = {
                "status", "ps",     "top --once",   "explain 1",  "policy",
                "mode",   "ledger", "rollback all", "rollback 3", "mode enforce"};

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                run(lines[i], 3);
                assert_says(o.err, "aikmd is not running on unix:path=");
                assert_says(o.err, "systemctl start aikmd");
                assert_string_equal(o.out, "");
        }
        assert_int_equal(setenv("AIKM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1), 0);
        run("status", 3);
        assert_int_equal(setenv("AIKM_BUS_ADDRESS", "rubbish", 1), 0);
        fixture_run(&fixture, "status", &o);
        assert_true(o.status == 1 || o.status == 3);
        assert_says(o.err, "rubbish");
        assert_int_equal(setenv("AIKM_BUS_ADDRESS", fixture.address, 1), 0);
}

static void test_usage(void **state) {
        run("", 2);
        assert_says(o.err, "Usage: aikmctl");
        run("staus", 2);
        assert_says(o.err, "unknown verb staus; did you mean status?");
        run("xyzzy", 2);
        assert_says(o.err, "unknown verb xyzzy; see aikmctl --help");
        run("ps --srot cpu", 2);
        assert_says(o.err, "did you mean --sort?");
        run("ps --sort size", 2);
        assert_says(o.err, "--sort size: not one of cpu, wait");
        run("ps --class heavy", 2);
        run("ps -n 0", 2);
        run("status now", 2);
        run("--help", 0);
        assert_says(o.out, "rollback");
        run("--version", 0);
        assert_int_equal(strncmp(o.out, "aikmctl ", 8), 0);
        run("ps --help", 0);
        assert_says(o.out, "--sort KEY");
        run("help", 0);
}

static void write_script(const char *path, const char *text) {
        _cleanup_fclose_
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fchmod(fileno(f), 0700), 0);
}

/* The judgement is the daemon's: its words and status are passed on. */
static void test_config_check(void **state) {
        json_object *doc;
        char path[128];

        snprintf(path, sizeof(path), "%s/aikmd", fixture.dir);
        write_script(
                path,
                "#!/bin/sh\n[ \"$1\" = --check-config ] || exit 99\n"
                "[ \"$2\" != bad.json ] || { echo 'bad.json:3: unknown key colour' >&2; exit 1; }\n"
                "[ \"$2\" != --config-dir ] || { echo \"dir $3\"; exit 0; }\n");
        assert_int_equal(setenv("AIKM_DAEMON", path, 1), 0);
        run("config check", 0);
        assert_string_equal(o.out, "The configuration is valid.\n");
        run("config check bad.json", 1);
        assert_string_equal(o.err, "bad.json:3: unknown key colour\n");
        run("config check --config-dir /x", 0);
        assert_string_equal(o.out, "dir /x\n");
        doc = run_json("config check bad.json", 1);
        assert_false(json_object_get_boolean(member(doc, "valid")));
        assert_says(json_object_get_string(member(doc, "message")), "unknown key");
        json_object_put(doc);
        run("config check --config-dir /x y.json", 2);
        run("config write", 2);
        assert_int_equal(unlink(path), 0);
        run("config check", 1);
        assert_says(o.err, "aikmd is not found");
        assert_int_equal(unsetenv("AIKM_DAEMON"), 0);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_status, start, stop),
                cmocka_unit_test_setup_teardown(test_ps, start, stop),
                cmocka_unit_test_setup_teardown(test_explain, start, stop),
                cmocka_unit_test_setup_teardown(test_policy, start, stop),
                cmocka_unit_test_setup_teardown(test_mode, start, stop),
                cmocka_unit_test_setup_teardown(test_ledger, start, stop),
                cmocka_unit_test_setup_teardown(test_impact, start, stop),
                cmocka_unit_test_setup_teardown(test_priors, start, stop),
                cmocka_unit_test_setup_teardown(test_filter_usage, start, stop),
                cmocka_unit_test_setup_teardown(test_filter_one, start, stop),
                cmocka_unit_test_setup_teardown(test_filter_show, start, stop),
                cmocka_unit_test_setup_teardown(test_filter_two, start, stop),
                cmocka_unit_test_setup_teardown(test_filter_object, start, stop),
                cmocka_unit_test_setup_teardown(test_filter_denied, start_deny, stop),
                cmocka_unit_test_setup_teardown(test_rollback, start, stop),
                cmocka_unit_test_setup_teardown(test_denied, start_deny, stop),
                cmocka_unit_test_setup_teardown(test_top_text, start, stop),
                cmocka_unit_test(test_not_running),
                cmocka_unit_test(test_usage),
                cmocka_unit_test(test_config_check),
        };
        int r;

        if (argc != 3)
                return 2;
        fixture_aikmctl = argv[1];
        fixture_fake = argv[2];
        setenv("LC_ALL", "C.UTF-8", 1);
        unsetenv("COLUMNS");
        if (!fixture_start(&fixture)) {
                puts("no dbus-daemon");
                return 77;
        }
        r = cmocka_run_group_tests(tests, NULL, NULL);
        fixture_stop(&fixture);
        return r;
}
