# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# bash completion for aikm-packets(1)

_aikm_packets() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    # "--option=value" comes as three words.
    [ "$cur" != = ] || cur=
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W '--help --version --benign --malicious --fields --no-keys --list' -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
}
complete -o filenames -F _aikm_packets aikm-packets
