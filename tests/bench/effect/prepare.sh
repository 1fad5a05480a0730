#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# prepare.sh FOLDER WHAT…: makes what the effect bench's programs work on.
set -euo pipefail
mkdir -p "$1"
cd "$1"
D=$PWD
shift

make_text() { # 200 MB of programs' and libraries' bytes, the same on each run of one machine
    head -c 200M <(find /usr/lib /usr/share -xdev -type f -size +50k -size -4000k -print0 | sort -z | xargs -0 cat 2>/dev/null) >text
}
make_www() {
    mkdir www
    head -c 10000 <(seq 1 100000) >www/page.txt
}
make_wrk() { # 8 connections at about 20 ms
    cat >paced.lua <<'L'
function delay() return 10 + math.random(0, 20) end
wrk.headers["Accept-Encoding"] = "gzip"
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format("AIKM %d %d %.0f %.0f %.0f %.0f\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
L
}
functions() { # FIRST LAST
    local i
    for i in $(seq "$1" "$2"); do
        printf 'double f%d(double x, int n) { double s = 0; for (int i = 0; i < n; i++) { s += (int)(x * i) %% %d; if (s > %d) s /= 1.5 + i; else s += (i ^ %d) * x; } return s; }\n' \
            "$i" $((i + 3)) $((i * 7)) $((i * 13 % 101))
    done
}
make_sources() {
    mkdir sources
    local i
    for i in $(seq 1 200); do functions "$i" $((i + 5)) >"sources/$i.c"; done
    cat >sources/Makefile <<'M'
# Every file 50 times: one make that lasts.
O := $(foreach round,$(shell seq 1 50),$(patsubst $(S)/%.c,$(round)-%.o,$(wildcard $(S)/*.c)))
all: $(O)
$(O):
	@gcc -O2 -c -o $@ $(S)/$(lastword $(subst -, ,$(basename $@))).c && printf x >>count
M
}
make_big() { functions 1 4000 >big.c; }
make_video() { # 240 frames: a moving gradient with noise in it
    /usr/bin/python3 - <<'P'
import random
draw = random.Random(1)
width, height = 640, 360
ramp = bytes((i * 255 // 1279) for i in range(1280))
noise = draw.randbytes(width * height * 4)
with open("video", "wb") as f:
    for frame in range(240):
        luma = bytearray()
        for y in range(height):
            at = (y * 3 + frame * 5) % width
            luma += ramp[at:at + width]
        at = draw.randrange(width * height * 2)
        for y in range(0, height, 3):
            luma[y * width:y * width + width // 4] = noise[at + y * width:at + y * width + width // 4]
        f.write(luma)
        f.write(bytes([(frame * 2) % 256]) * (width * height // 2))
P
}
make_pg() {
    local bin as=(setpriv --reuid postgres --regid postgres --clear-groups)
    bin=$(echo /usr/lib/postgresql/*/bin)
    mkdir pg sock
    chown postgres pg sock
    "${as[@]}" "$bin/initdb" -A trust -D "$D/pg" >/dev/null
    "${as[@]}" "$bin/pg_ctl" -sw -D "$D/pg" -o "-c listen_addresses= -c unix_socket_directories=$D/sock" -l /dev/null start
    "${as[@]}" "$bin/pgbench" -qi -s 5 -h "$D/sock" postgres 2>/dev/null
    "${as[@]}" "$bin/pg_ctl" -sw -D "$D/pg" stop
}

for what; do "make_$what"; done
