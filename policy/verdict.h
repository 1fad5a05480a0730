/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Every reason for acting on a process or leaving it alone, by name: what `aikmctl explain` shows.
 */

/* X(identifier, name, sentence) */
#define AIKM_VERDICTS(X)                                                                        \
        X(UNKNOWN, "unknown", "not judged yet")                                                 \
        X(TREATED, "treated", "demoted now, because protected processes wait while it runs")    \
        X(ADOPTED, "adopted", "inherited its parent's demotion by fork; put back with it")      \
        X(RELEASED, "released", "the reason to demote it has ended; put back")                  \
        X(NO_CONTENTION, "no-contention", "nothing protected waits for what it uses")           \
        X(NOT_A_HOG, "not-a-hog", "its class is not one that is demoted")                       \
        X(PROTECTED, "protected", "its class is protected: others are demoted for its sake")    \
        X(DORMANT, "dormant", "it sleeps")                                                      \
        X(MODE_OBSERVE, "mode-observe", "would be demoted, but the mode is observe")            \
        X(MODE_ADVISE, "mode-advise", "would be demoted, but the mode is advise")               \
        X(OUT_OF_SCOPE, "out-of-scope", "outside the scope in which changes are allowed")       \
        X(KERNEL_THREAD, "kernel-thread", "kernel threads are left alone")                      \
        X(REALTIME, "realtime", "has a real-time or deadline thread")                           \
        X(INIT, "init", "process 1 is left alone")                                              \
        X(SELF, "self", "this is aikmd or its helper")                                          \
        X(EXEMPT, "exempt", "a policy rule exempts it")                                         \
        X(LOW_CONFIDENCE, "low-confidence", "the model is not sure enough of its class")        \
        X(DWELL, "dwell", "its class has not been stable for long enough")                      \
        X(COOL_DOWN, "cool-down", "it was put back a short time ago")                           \
        X(RATE_LIMIT, "rate-limit", "the limit of changes per minute is reached")               \
        X(HANDS_OFF, "hands-off",                                                               \
          "somebody else changed it since; left alone for the rest of its life")                \
        X(OTHER_GROUP, "other-group",                                                           \
          "it competes from another scheduling group, and no allowed knob reaches across")      \
        X(MIXED_GROUP, "mixed-group",                                                           \
          "its scheduling group also holds processes that are protected or may not be touched") \
        X(DISJOINT_CPUS, "disjoint-cpus", "it shares no CPU with those who wait")               \
        X(ALREADY_LOW, "already-low", "what would be set is no lower than what it has")         \
        X(INERT, "inert", "the knob has no effect on this machine")                             \
        X(FAILED, "failed", "the kernel refused the change")                                    \
        X(VANISHED, "vanished", "it ended before it could be changed")                          \
        X(NO_HELP, "no-help",                                                                   \
          "demoting it did not help those who wait; not tried again for a while")               \
        X(PROBE, "probe", "put back for some seconds, to see whether its demotion helps")       \
        X(STARVING, "starving",                                                                 \
          "it got too little while it was demoted; left alone, then treated less strongly")

typedef enum Verdict {
#define X(id, name, sentence) VERDICT_##id,
        AIKM_VERDICTS(X)
#undef X
                _VERDICT_COUNT,
} Verdict;

/* "mode-observe" … and its sentence. Never NULL for a valid verdict. */
const char *verdict_to_string(Verdict v);
const char *verdict_sentence(Verdict v);
