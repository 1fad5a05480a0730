#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What aikm-compile makes of models loads into this kernel and computes the reference's bits: objects of every kind of step, made by the
# machine's clang.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"

run_objects() { ./test-kernel-model run models 200; }
say "objects made elsewhere, in kernel $(uname -r)"
check "every program loads and gives the reference's bits" run_objects
# shellcheck disable=SC2154 # lib.sh keeps what the last check printed
check "as many as were made" equal "$(grep -c 'rows equal' "$output")" "$(find models -name '*.bpf.o' | wc -l)"
finish
