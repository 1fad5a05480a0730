#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scene.sh SESSION: first process of a scene's namespaces, leader of its session. Starts the victim ($VICTIM) and its load ($LOAD), and
# when told by a line in the fifo `begin`, with SESSION same or different, the hogs ($HOG) in this session or in one of their own;
# programs.py has all three.
set -u
session=$1
export HOME=$PWD
ip link set lo up

until_socket() { until [ -S "$1" ]; do sleep 0.02; done; }
until_port() { until (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.02; done; }

eval "$VICTIM"
(eval "$LOAD") &
touch serves
read -r _ <begin
mkdir hog
case $session in
same) (cd hog && exec bash -c "$HOG") & ;;
different) (cd hog && exec setsid bash -c "$HOG") & ;;
esac
echo "${!-}" >hogs.new
mv hogs.new hogs
wait
