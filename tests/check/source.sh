#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# source.sh SOURCE-ROOT format|spdx|shell: checks of the text of the sources.
set -euo pipefail
cd "$1"

list() { # patterns
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files -- "$@"
    else
        for pattern in "$@"; do find . \( -path ./build\* -o -path ./obj-\* \) -prune -o -name "$pattern" -printf '%P\n'; done
    fi
}
case $2 in
format)
    command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }
    # Releases of clang-format disagree in details: the one of Debian 12 is the reference.
    clang-format --version | grep 'version 14' >/dev/null || { echo "not clang-format 14: $(clang-format --version)"; exit 77; }
    list '*.c' '*.h' | xargs -d '\n' clang-format --dry-run -Werror
    ;;
spdx)
    bad=$(list '*.c' '*.h' '*.sh' '*.py' '*.scd' meson.build '*/meson.build' meson_options.txt | grep -v '\.scd$' | while read -r f; do
        head -n 3 "$f" | grep 'SPDX-License-Identifier: GPL-2.0-or-later' >/dev/null || echo "$f: no SPDX line"; done)
    [ -z "$bad" ] || { echo "$bad"; exit 1; }
    ;;
shell)
    # What has no #! line is there to be sourced.
    list '*.sh' .ci/run | while read -r f; do
        bash -n "$f"
        if head -c 2 "$f" | grep '#!' >/dev/null && [ ! -x "$f" ]; then
            echo "$f: not executable"
            exit 1
        fi
    done
    ;;
*)
    echo "source.sh: unknown check $2" >&2
    exit 2
    ;;
esac
echo "$2: fine"
