# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for aikmctl(1)

function __aikmctl_settings
    printf '%s=\n' mode scope interval interval_max model on_stop fine_tuning filter.on_stop
    printf 'thresholds.%s=\n' confidence protect_confidence delay_share delay_per_slice busy_share io_pressure memory_pressure hog_share \
        infer_change contention_after dwell release_after cool_down changes_per_minute nice_max
    printf 'impact.%s=\n' undo effect intervals wakeups before probe remember remember_max floor_share floor_io floor_after
    printf 'priors.%s=\n' enabled half_life max
    for class in idle interactive server batch io memory
        printf "classes.$class.%s=\n" nice sched slice ioprio cpus autogroup_nice cpu_weight io_weight
    end
    printf 'tunables.%s=\n' block.read_ahead_kb block.scheduler transparent_hugepage.enabled transparent_hugepage.defrag \
        vm.swappiness vm.dirty_background_ratio vm.dirty_ratio vm.vfs_cache_pressure cpufreq.scaling_governor \
        cpufreq.energy_performance_preference kernel.sched_autogroup_enabled
end

set -l verbs status ps top explain policy mode ledger impact priors rollback demo model config dataset filter
set -l verb __fish_seen_subcommand_from

complete -c aikmctl -f
complete -c aikmctl -s H -l host -x -a '(__fish_complete_user_at_hosts)' -d 'Another machine, by ssh'
complete -c aikmctl -s M -l machine -x -a '.host (machinectl list --no-legend --no-pager 2>/dev/null | string replace -r " .*" "")' -d 'A local container'
complete -c aikmctl -l no-ask-password -d 'Never ask for a password'
complete -c aikmctl -s j -l json -d 'Print one JSON document'
complete -c aikmctl -l no-color -d 'No colours'
complete -c aikmctl -l no-legend -d 'No headers and closing lines'
complete -c aikmctl -s h -l help -d 'Show help'
complete -c aikmctl -l version -d 'Show the version'

complete -c aikmctl -n "not $verb $verbs" -a status -d 'State of the daemon'
complete -c aikmctl -n "not $verb $verbs" -a ps -d 'Processes and their class'
complete -c aikmctl -n "not $verb $verbs" -a top -d 'Follow it on a full screen'
complete -c aikmctl -n "not $verb $verbs" -a explain -d 'What a process is, and why'
complete -c aikmctl -n "not $verb $verbs" -a policy -d 'Show or change the policy'
complete -c aikmctl -n "not $verb $verbs" -a mode -d 'Show or set the mode'
complete -c aikmctl -n "not $verb $verbs" -a ledger -d 'Changes that are in force'
complete -c aikmctl -n "not $verb $verbs" -a impact -d 'What demotions bought and cost'
complete -c aikmctl -n "not $verb $verbs" -a priors -d 'What was learned of programs'
complete -c aikmctl -n "not $verb $verbs" -a rollback -d 'Put changes back'
complete -c aikmctl -n "not $verb $verbs" -a demo -d 'Show the effect'
complete -c aikmctl -n "not $verb $verbs" -a model -d 'Show and choose the model'
complete -c aikmctl -n "not $verb $verbs" -a config -d 'Check configuration files'
complete -c aikmctl -n "not $verb $verbs" -a dataset -d 'Work on the recorded data set'
complete -c aikmctl -n "not $verb $verbs" -a filter -d 'Judge packets in the kernel'

complete -c aikmctl -n "$verb ps top" -s s -l sort -x -a 'cpu wait io memory class pid confidence name' -d Order
complete -c aikmctl -n "$verb ps top" -s r -l reverse -d 'Turn the order round'
complete -c aikmctl -n "$verb ps top" -s t -l treated -d 'Only what aikmd has changed'
complete -c aikmctl -n "$verb ps top" -s a -l all -d 'Sleeping processes as well'
complete -c aikmctl -n "$verb ps" -s c -l class -x -a 'idle interactive server batch io memory' -d 'Only this class'
complete -c aikmctl -n "$verb ps" -l name -x -d 'Part of name or unit'
complete -c aikmctl -n "$verb ps" -s n -l lines -x -d 'At most so many'
complete -c aikmctl -n "$verb top" -s 1 -l once -d 'One screen as text'
complete -c aikmctl -n "$verb top" -s b -l batch -d 'Screen after screen as text'
complete -c aikmctl -n "$verb top" -s n -l iterations -x -d 'End after so many'
complete -c aikmctl -n "$verb top" -s d -l delay -x -d Seconds
complete -c aikmctl -n "$verb explain" -x -a '(__fish_complete_pids)'
complete -c aikmctl -n "$verb mode" -a 'observe advise enforce'
complete -c aikmctl -n "$verb ledger" -s a -l all -d 'What has ended as well'
complete -c aikmctl -n "$verb priors; and not $verb forget" -a forget
complete -c aikmctl -n "$verb priors; and $verb forget" -F
complete -c aikmctl -n "$verb rollback" -s p -l pid -d 'The number is a PID'
complete -c aikmctl -n "$verb rollback" -l action -d 'The number is an action'
complete -c aikmctl -n "$verb rollback" -a 'all pid: action:'
complete -c aikmctl -n "$verb policy; and not $verb list show set reset" -a 'list show set reset'
complete -c aikmctl -n "$verb policy; and $verb set" -a '(__aikmctl_settings)'
complete -c aikmctl -n "$verb demo" -s n -l hogs -x -d 'CPU hogs'
complete -c aikmctl -n "$verb demo" -s t -l time -x -d 'Length of a part'
set -l models list info verify use rollback install remove train tune compile
complete -c aikmctl -n "$verb model; and not $verb $models" -a "$models"
complete -c aikmctl -n "$verb model; and $verb use install train" -s f -l force -d 'Though it does worse'
complete -c aikmctl -n "$verb model; and $verb install compile" -F
complete -c aikmctl -n "$verb model; and $verb train tune" -l data -r -d 'Rows: CSV or a database'
complete -c aikmctl -n "$verb model; and $verb train tune" -l seed -x -d Seed
complete -c aikmctl -n "$verb model; and $verb train tune" -l epochs -x -d 'At most so many'
complete -c aikmctl -n "$verb model; and $verb train tune" -l limit -x -d Seconds
complete -c aikmctl -n "$verb model; and $verb train" -l name -x -d 'Of the new model'
complete -c aikmctl -n "$verb model; and $verb train" -l split -r -d 'Which programs teach'
complete -c aikmctl -n "$verb model; and $verb train" -s o -l output -x -a '(__fish_complete_directories)' -d 'Where it goes'
complete -c aikmctl -n "$verb model; and $verb train" -l install -d 'Install it'
complete -c aikmctl -n "$verb model; and $verb train" -l use -d 'Install and use it'
complete -c aikmctl -n "$verb model; and $verb train" -l idle -d 'At idle priority'
complete -c aikmctl -n "$verb config; and not $verb check" -a check
complete -c aikmctl -n "$verb config; and $verb check" -F
complete -c aikmctl -n "$verb config; and $verb check" -l config-dir -x -a '(__fish_complete_directories)'
complete -c aikmctl -n "$verb dataset; and not $verb export info label prune import" -a 'export info label prune import'
complete -c aikmctl -n "$verb dataset; and $verb export info label prune import" -F
set -l filters status attach detach top mode allow explain
complete -c aikmctl -n "$verb filter; and not $verb $filters" -a "$filters"
complete -c aikmctl -n "$verb filter; and $verb attach" -s m -l model -r -d 'Name or object file'
complete -c aikmctl -n "$verb filter; and $verb mode" -l for -x -a '5m 15m 1h' -d 'How long it may drop'
complete -c aikmctl -n "$verb filter; and $verb mode" -l kill-share -x -a '0.5 0.9 0.99 1' -d 'Drop nothing if it would be more'
complete -c aikmctl -n "$verb filter; and $verb mode" -a 'shadow enforce'
complete -c aikmctl -n "$verb filter; and $verb allow" -a 'add del list'
complete -c aikmctl -n "$verb filter; and $verb top" -s n -l lines -x -d 'At most so many'
complete -c aikmctl -n "$verb filter; and $verb top mode allow explain" -s i -l interface -x -a '(__fish_print_interfaces)' -d Interface
complete -c aikmctl -n "$verb filter; and $verb $filters" -a '(__fish_print_interfaces)'
