# bash completion for aikmctl(1)                          -*- shell-script -*-
# SPDX-License-Identifier: GPL-2.0-or-later

_aikmctl_keys() {
    local class key
    printf '%s\n' mode= scope= interval= interval_max= model= on_stop= fine_tuning= filter.on_stop=
    for key in confidence protect_confidence delay_share delay_per_slice busy_share io_pressure memory_pressure hog_share infer_change contention_after dwell \
        release_after cool_down changes_per_minute nice_max; do
        printf 'thresholds.%s=\n' "$key"
    done
    for key in undo effect intervals wakeups before probe remember remember_max floor_share floor_io floor_after; do
        printf 'impact.%s=\n' "$key"
    done
    for key in enabled half_life max; do
        printf 'priors.%s=\n' "$key"
    done
    for class in idle interactive server batch io memory; do
        for key in nice sched slice ioprio cpus autogroup_nice cpu_weight io_weight; do
            printf 'classes.%s.%s=\n' "$class" "$key"
        done
    done
    for key in block.read_ahead_kb block.scheduler transparent_hugepage.enabled transparent_hugepage.defrag vm.swappiness \
        vm.dirty_background_ratio vm.dirty_ratio vm.vfs_cache_pressure cpufreq.scaling_governor \
        cpufreq.energy_performance_preference kernel.sched_autogroup_enabled; do
        printf 'tunables.%s=\n' "$key"
    done
}

_aikmctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev verb='' sub='' i
    local -a line
    local global='--host --machine --no-ask-password --json --no-color --no-legend --help --version'
    local verbs='status ps top explain policy mode ledger impact priors rollback demo model config dataset filter'
    local keys='cpu wait io memory class pid confidence name'
    COMPREPLY=()

    # The words as they are: readline's are broken at = : @, which hosts and settings hold.
    read -ra line <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} != *[[:blank:]] ]] || line+=('')
    prev=${line[-2]-}
    for ((i = 1; i < ${#line[@]} - 1; i++)); do
        case ${line[i]} in
        -H | --host | -M | --machine) ((i++)) ;; # its argument is no verb
        -*) ;;
        *)
            if [ -z "$verb" ]; then
                verb=${line[i]}
            elif [ -z "$sub" ]; then
                sub=${line[i]}
            fi
            ;;
        esac
    done

    case $prev in
    --sort | -s)
        mapfile -t COMPREPLY < <(compgen -W "$keys" -- "$cur")
        return
        ;;
    --class | -c)
        mapfile -t COMPREPLY < <(compgen -W 'idle interactive server batch io memory' -- "$cur")
        return
        ;;
    --host | -H)
        mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
        return
        ;;
    --machine | -M)
        mapfile -t COMPREPLY < <(compgen -W ".host $(machinectl list --no-legend --no-pager 2>/dev/null | awk '{ print $1 }')" -- "$cur")
        return
        ;;
    --config-dir)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    --data | --split | --output | -o)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --interface | -i)
        mapfile -t COMPREPLY < <(compgen -W "$(cd /sys/class/net 2>/dev/null && echo *)" -- "$cur")
        return
        ;;
    --kill-share)
        mapfile -t COMPREPLY < <(compgen -W '0.5 0.9 0.99 1' -- "$cur")
        return
        ;;
    --for)
        mapfile -t COMPREPLY < <(compgen -W '5m 15m 1h' -- "$cur")
        return
        ;;
    --model | -m)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --seed | --epochs | --limit | --name | --lines | --iterations | --delay | --hogs | --time | -n | -d) return ;;
    esac

    local words=$global
    case $verb in
    '') words="$global $verbs" ;;
    ps) words+=' --sort --reverse --class --name --treated --all --lines' ;;
    top) words+=' --once --batch --iterations --delay --sort --reverse --treated --all' ;;
    ledger) words+=' --all' ;;
    rollback) words+=' --pid --action all pid: action:' ;;
    priors) [ -n "$sub" ] || words+=' forget' ;;
    mode) words+=' observe advise enforce' ;;
    demo) words+=' --hogs --time' ;;
    model)
        case $sub in
        '') words+=' list info verify use rollback install remove train tune compile' ;;
        compile) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
        train) words+=' --data --name --split --seed --epochs --output --install --use --force --idle --limit' ;;
        tune) words+=' --data --seed --epochs --limit' ;;
        use | install) words+=' --force' ;;
        esac
        ;;
    filter)
        local interfaces
        interfaces=$(cd /sys/class/net 2>/dev/null && echo *)
        case $sub in
        '') words+=' status attach detach top mode allow explain' ;;
        attach) words+=" --model $interfaces" ;;
        detach) words+=" $interfaces" ;;
        top) words+=" --lines --interface $interfaces" ;;
        mode) words+=" --for --kill-share --interface shadow enforce $interfaces" ;;
        allow) words+=" --interface add del list $interfaces" ;;
        explain) words+=" --interface $interfaces" ;;
        esac
        ;;
    policy)
        case $sub in
        '') words+=' list show set reset' ;;
        set)
            compopt -o nospace 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -W "$(_aikmctl_keys)" -- "$cur")
            return
            ;;
        esac
        ;;
    config)
        if [ -z "$sub" ]; then
            words+=' check'
        else
            mapfile -t COMPREPLY < <(compgen -f -W "$words --config-dir" -- "$cur")
            return
        fi
        ;;
    dataset)
        case $sub in
        '') words='export info label prune import' ;;
        *) COMPREPLY=($(compgen -f -- "$cur")) ;;
        esac
        ;;
    explain)
        mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")
        return
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _aikmctl aikmctl
