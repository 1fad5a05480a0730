# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for aikm-packets(1)

complete -c aikm-packets -s h -l help -d 'Show help'
complete -c aikm-packets -l version -d 'Show the version'
complete -c aikm-packets -l benign -r -d 'A recording of good packets'
complete -c aikm-packets -l malicious -r -d 'A recording of bad packets'
complete -c aikm-packets -l fields -x -d 'These fields alone'
complete -c aikm-packets -l no-keys -d 'Fields alone, no src, file, line, label, cls'
complete -c aikm-packets -l list -d 'List the fields'
