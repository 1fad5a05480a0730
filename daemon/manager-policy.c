/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "daemon/actuators/actuator.h"
#include "daemon/bus.h"
#include "daemon/config.h"
#include "daemon/manager-filter.h"

int manager_load_policy(const Manager *m, Policy *ret, Error *e) {
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;
        int r;

        r = config_load(m->root_fd, m->options->config_dirs, &p, e);
        if (r < 0)
                return r;
        r = settings_apply(&m->options->settings, &p, e);
        if (r < 0)
                return r;
        r = settings_apply(&m->runtime_settings, &p, e);
        if (r < 0)
                return r;
        *ret = p;
        p = POLICY_INIT;
        return 0;
}

int manager_make_effective(const Manager *m, const Policy *p, Policy *ret) {
        const char *text;
        int r = policy_copy(p, ret);

        /* Groups of our own: not where systemd has the tree. A unit that can't be had is told by
         * the processes themselves. */
        if (r >= 0 && executor_probe_result(m->executor, &actuator_cgroup, &text) == -EOPNOTSUPP)
                policy_drop_knobs(ret, actuator_cgroup.fields);
        return r;
}

/* reload: models are read even where their names are the same, the files may be others now. */
static int manager_install_policy(Manager *m, Policy *p, bool reload) {
        bool timer = p->thresholds.interval != m->policy.thresholds.interval ||
                     p->thresholds.interval_max != m->policy.thresholds.interval_max;
        bool mode = p->mode != m->policy.mode;
        _cleanup_(policy_done)
        Policy effective = POLICY_INIT;
        _cleanup_(model_freep)
        Model *model = NULL;
        char reason[sizeof(m->model_reason)];
        int r;

        if (reload || !streq(p->model, m->policy.model)) {
                r = model_choose(m->models, p->model, &model, reason, sizeof(reason));
                if (r < 0)
                        return r;
        }
        r = manager_make_effective(m, p, &effective);
        if (r >= 0)
                r = pipeline_set_policy(m->pipeline, &effective);
        if (r < 0)
                return r;
        manager_record(m, policy, &effective);
        if (model)
                manager_take_model(m, TAKE_PTR(model), reason);
        policy_done(&m->policy);
        m->policy = *p;
        *p = POLICY_INIT;
        policy_done(&m->effective_policy);
        m->effective_policy = effective;
        effective = POLICY_INIT;
        if (timer) {
                r = manager_arm_timer(m);
                if (r < 0)
                        journal_log(LOG_ERR, "cannot set the timer: %s, ignoring", strerror(-r));
        }
        if (mode)
                bus_emit_mode(m->bus);
        if (mode && m->policy.mode == MODE_OBSERVE)
                manager_end_filter_leases(m);
        manager_apply_filters(m, reload);
        /* What the new policy does not want any more is put back now, not an interval later. */
        manager_tick_soon(m);
        return 0;
}

int manager_set(Manager *m, const Settings *settings, Error *e) {
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;
        int r;

        r = policy_copy(&m->policy, &p);
        if (r < 0)
                return error_set(e, r, "out of memory");
        r = settings_apply(settings, &p, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < settings->n; i++) {
                r = settings_put(&m->runtime_settings, settings->items[i].key,
                                 settings->items[i].value);
                if (r < 0)
                        return error_set(e, r, "out of memory");
        }
        r = manager_install_policy(m, &p, /* reload= */ false);
        return r < 0 ? error_set(e, r, "cannot take over the policy: %s", strerror(-r)) : 0;
}

int manager_reload(Manager *m, Error *e) {
        _cleanup_(policy_done)
        Policy p = POLICY_INIT;
        Error own = ERROR_INIT;
        int r;

        r = manager_load_policy(m, &p, &own);
        if (r >= 0)
                r = manager_install_policy(m, &p, /* reload= */ true);
        if (r < 0) {
                if (!own.text[0])
                        error_set(&own, r, "%s", strerror(-r));
                journal_note(LOG_ERR, MESSAGE_CONFIG_REFUSED, NULL,
                             "Configuration refused, going on with the last good one: %s",
                             own.text);
                snprintf(m->policy_error, sizeof(m->policy_error), "%s", own.text);
                return error_set(e, r, "%s", own.text);
        }
        m->policy_error[0] = 0;
        journal_log(LOG_INFO, "configuration read again: mode %s", mode_to_string(m->policy.mode));
        return 0;
}

int manager_reset(Manager *m, Error *e) {
        Settings old = m->runtime_settings;
        int r;

        m->runtime_settings = SETTINGS_INIT;
        r = manager_reload(m, e);
        if (r < 0) {
                /* The last good policy goes on, and what was set with it. */
                m->runtime_settings = old;
                return r;
        }
        settings_done(&old);
        return 0;
}
