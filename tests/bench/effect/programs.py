# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of the effect bench, as tables. Commands are bash, run by scene.sh in a folder of their own, with $D holding what
prepare.sh made and $M a tmpfs, where measured values go; effect-client and effect-server are in $PATH.

Of a victim: `start` ends when it serves; `load` asks it at a fixed rate from then on. The rates are far below what two CPUs can do.
`read` says what tells the latencies of a window:
  client      effect-client, opened by seconds written to the fifo `go`, in `result`
  wrk         the same, in wrk's own words: its latency counts from when it sends, so it cannot see what it did not send
  pgbench     lines of its log that were due in the window; its latency counts from when a transaction was due (-R)
  cyclictest  lines of its verbose output that were written in the window; it leaves out the timers that it slept through

Of a hog: `start` runs for good. `work` says what tells its progress:
  read, written   bytes that it and its children have read or written (/proc/PID/io)
  count           the size of the file `count`, a byte a unit of work
  cpu             seconds of CPU, where its own steps are longer than a window
  bogo            seconds of CPU, times the bogo operations a second of CPU that stress-ng tells at its end"""
from collections import namedtuple

Victim = namedtuple("Victim", "packages data start load read what")
Hog = namedtuple("Hog", "packages data start work scale unit what")

GET = r"GET /%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"

# The server refuses to be root's.
POSTGRES = 'as="setpriv --reuid postgres --regid postgres --clear-groups"; bin=$(echo /usr/lib/postgresql/*/bin); '
NGINX = r'''printf 'daemon off; error_log /dev/null; pid %s/pid; worker_processes 1; events {}
http { access_log off; gzip on; gzip_types text/plain; gzip_comp_level 6; default_type text/plain; keepalive_requests 100000000;
 server { listen 127.0.0.1:8080; root %s/www; } }\n' "$PWD" "$D" >conf
nginx -c "$PWD/conf" &
until_port 8080'''

VICTIMS = {
    "pingpong": Victim((), (), 'effect-server s 100 & until_socket s',
                       'effect-client --unix s --request "$(printf %064d 0)" --rate 500 --connections 8 go "$M/result"',
                       "client", "a server of 100 µs a request over a Unix socket, 500/s"),
    "redis": Victim(("redis-server",), (),
                    "redis-server --port 0 --unixsocket s --save '' --appendonly no --daemonize no >/dev/null & until_socket s\n"
                    "seq 1 200 | sed 's/^/RPUSH list /' | redis-cli -s s >/dev/null",
                    r"effect-client --unix s --request 'LRANGE list 0 199\r\n' --rate 500 --connections 8 go $M/result",
                    "client", "redis, LRANGE of 200, 500/s"),
    "nginx": Victim(("nginx",), ("www",), NGINX,
                    "effect-client --tcp 8080 --request '%s' --rate 300 --connections 8 go $M/result"
                    % (GET % ("page.txt", r"Accept-Encoding: gzip\r\n")),
                    "client", "nginx, 10 kB of text with gzip, 300/s"),
    "wrk": Victim(("nginx", "wrk"), ("www", "wrk"), NGINX,
                  'wrk -t1 -c8 -d600 -s "$D/paced.lua" http://127.0.0.1:8080/page.txt >/dev/null & warm=$!\n'
                  "read -r seconds <go; kill $warm\n"
                  'wrk -t1 -c8 "-d$seconds" --timeout 5 -s "$D/paced.lua" http://127.0.0.1:8080/page.txt >"$M/out"; mv "$M/out" "$M/result"',
                  "wrk", "the same nginx, asked by wrk, 8 connections that pause 20 ms"),
    "postgres": Victim(("postgresql", "postgresql-contrib"), ("pg",),
                       POSTGRES + 'cp -a "$D/pg" pg; chown postgres .\n'
                       '$as "$bin/postgres" -D "$PWD/pg" -c listen_addresses= -c unix_socket_directories="$PWD" 2>/dev/null &\n'
                       'until $as "$bin/pg_isready" -qh "$PWD"; do sleep 0.05; done',
                       POSTGRES + '$as "$bin/pgbench" -h "$PWD" -n -N -T 600 -c 4 -R 150 --log --log-prefix="$M/log" postgres >/dev/null 2>&1',
                       "pgbench", "postgres, pgbench -N (writes, synced) -R 150"),
    "cyclictest": Victim(("rt-tests",), (), ":", "cyclictest -t1 --policy=other -i 1000 -D 600 -v >$M/samples",
                         "cyclictest", "cyclictest -t1 --policy=other -i 1000"),
}

AGAIN = "again() { while :; do \"$@\"; done; }; "

HOGS = {
    "stress-ng": Hog(("stress-ng",), (), "exec stress-ng --cpu 6 --cpu-method int64 --metrics --yaml metrics >/dev/null 2>&1", "bogo", 1, "bogo ops/s",
                     "stress-ng --cpu 6 --cpu-method int64"),
    "xz": Hog(("xz-utils",), ("text",),
              AGAIN + 'again xz -2 -T2 --block-size=256KiB -c "$D/text" >/dev/null & again xz -2 -T2 --block-size=256KiB -c "$D/text" >/dev/null & wait',
              "read", 1e-6, "MB/s", "two xz -T2"),
    "zstd": Hog(("zstd",), ("text",),
                AGAIN + 'for i in 1 2 3 4; do again zstd -q -9 --single-thread -c "$D/text" >/dev/null & done; wait',
                "read", 1e-6, "MB/s", "four zstd -9"),
    "make": Hog(("gcc", "make"), ("sources",),
                'cp "$D/sources/Makefile" .; while :; do make -s -j4 S="$D/sources" >/dev/null; rm -f ./*.o; done',
                "count", 1, "files/s", "make -j4 of small C files: a storm of forks"),
    "cc1": Hog(("gcc",), ("big",), AGAIN + 'for i in 1 2 3 4; do again gcc -O2 -c -o /dev/null "$D/big.c" & done; wait',
               "cpu", 1, "CPU s/s", "four gcc -O2, half a minute each"),
    "x264": Hog(("x264",), ("video",),
                'for i in 1 2; do while :; do cat "$D/video"; done | x264 --quiet --preset medium --threads 3 --demuxer raw --input-res 640x360 '
                '-o /dev/null - & done; wait',
                # It would map a file; so each byte is read twice, by cat and from the pipe.
                "read", 1 / (640 * 360 * 1.5 * 2), "frames/s", "two x264 --threads 3"),
    "lame": Hog(("lame",), ("text",), AGAIN + 'for i in 1 2 3 4; do again lame --quiet -q 2 -r "$D/text" /dev/null & done; wait',
                "read", 1e-6, "MB/s", "four lame -q 2"),
    "fio": Hog(("fio",), (),
               'exec fio --name=backup --directory="$PWD" --numjobs=4 --size=64m --bs=256k --rw=write --verify=sha256 --do_verify=0 '
               '--fsync=64 --thread --time_based --runtime=600 --output=/dev/null',
               "written", 1e-6, "MB/s", "fio, four jobs that write 256k with sha256 and fsync, as a backup"),
}

# What the documented run measures: (session, victim, hog).
PAIRS = (
    ("same", "pingpong", "stress-ng"),
    ("same", "redis", "xz"),
    ("same", "redis", "make"),
    ("same", "nginx", "x264"),
    ("same", "wrk", "make"),
    ("same", "postgres", "fio"),
    ("same", "cyclictest", "cc1"),
    ("different", "pingpong", "xz"),
    ("different", "redis", "stress-ng"),
    ("different", "nginx", "make"),
)
# Takes what scripts/deps.sh --test installs, nothing more.
QUICK_PAIRS = (("same", "pingpong", "stress-ng"), ("same", "cyclictest", "xz"))
