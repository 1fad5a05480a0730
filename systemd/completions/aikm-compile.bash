# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# bash completion for aikm-compile(1)

_aikm_compile() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word words
    # "--option=value" comes as three words.
    [ "$cur" != = ] || cur=
    [ "$prev" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}
    case $prev in
    --precision)
        mapfile -t COMPREPLY < <(compgen -W 'auto int8 int16 q16' -- "$cur")
        return
        ;;
    --target)
        mapfile -t COMPREPLY < <(compgen -W 'func xdp tc rows' -- "$cur")
        return
        ;;
    --name | --agreement | --threshold | --runs) return ;;
    esac
    words='--help --version --output --weights --features --calibrate --rows --name --precision --target --agreement --threshold --values --runs --no-kernel --force --json'
    word=${COMP_WORDS[1]}
    [ "$COMP_CWORD" != 1 ] || words+=' inspect verify bench'
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(
        compgen -f -- "$cur"
        [ "$COMP_CWORD" != 1 ] || compgen -W 'inspect verify bench' -- "$word"
    ) ;;
    esac
}
complete -o filenames -F _aikm_compile aikm-compile
