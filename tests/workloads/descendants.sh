#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# descendants.sh PID: the process and everything below it.
echo "$1"
for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do "$0" "$child"; done
