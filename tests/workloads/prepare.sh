# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the workloads work on, made once in $D: cached data, a tree of small files, databases, pages, key files.

make_keys() {
    mkdir -p keys
    cat >keys/editor <<'K'
The quick brown fox jumps over the lazy dog, and then it does so again.\r
\e[A\e[A\e[C\e[C\e[C
some words in between
@hold 12 33 \e[B
@hold 8 33 \x08
another line of text that somebody thinks about while writing\r
@pause 1800
\e[5~
\e[6~
K
    cat >keys/vim <<'K'
iThe quick brown fox jumps over the lazy dog, and then it does so again.\r\e
jjjj
@hold 20 33 j
@hold 15 33 k
wwww
Aand more at the end of the line\e
/the\r
nn
@pause 2000
ggdd
u
K
    cat >keys/shell <<'K'
ls -l /usr/bin | head -n 40\r
cd /usr/share; pwd\r
echo one two three | wc\r
@pause 2500
for i in 1 2 3; do echo $i; done\r
ls /etc\r
\x03
grep -c the /etc/services\r
K
    cat >keys/less <<'K'
jjjjj
@hold 25 33 j
@pause 1500
   
kkk
@hold 10 33 k
@pause 3000
g
K
    cat >keys/mc <<'K'
\eOB\eOB\eOB
@hold 15 40 \e[B
\t
@pause 1500
@hold 10 40 \e[A
\e[6~
\e[5~
@pause 2500
K
    cat >keys/htop <<'K'
\e[B\e[B\e[B
@pause 3000
@hold 10 40 \e[B
@pause 2500
\e[A\e[A
@pause 4000
K
    cat >keys/top <<'K'
@pause 3000
M
@pause 4000
P
@pause 2500
1
K
    cat >keys/python <<'K'
x = [i * i for i in range(20)]\r
sum(x)\r
@pause 2200
print("hello, world", len(x))\r
import os\r
os.getcwd()\r
@pause 1500
{k: v for k, v in enumerate("abcdef")}\r
K
}

make_pages() {
    mkdir -p www
    head -c 400 /usr/share/common-licenses/GPL-3 >www/small.txt
    head -c 30000 /usr/share/common-licenses/GPL-3 >www/page.txt
    { echo '<html><body>'; sed 's/^$/<p>/' /usr/share/common-licenses/GPL-3; } >www/page.html
    for _ in 1 2 3 4 5 6; do cat /usr/share/common-licenses/GPL-3; done >text.txt
}

make_data() {
    # Programs, then text, then noise: 600 MB that compress, encode and hash at various speeds.
    { find /usr/lib /usr/share -xdev -type f -size +100k -size -4000k -print0 | sort -z | xargs -0 cat; } 2>/dev/null | head -c 600M >big || :
    mkdir -p tree
    (cd /usr && find share include -xdev -type f -size -200k -print0 | sort -z | head -zn 60000 | cpio -0pdm --quiet "$D/tree") || :
    for i in $(seq 1 4000); do
        printf 'static double f%d(double x, int n) { double s = 0; for (int i = 0; i < n; i++) { s += x * i %% %d; if (s > %d) s /= 1.5 + i; else s += (i ^ %d) * x; } return s; }\n' "$i" $((i + 3)) $((i * 7)) $((i * 13 % 101)) | sed 's/x \* i %/(int) (x * i) %/'
    done >big.c
    { echo 'double g(int n) { double s = 0;'; for i in $(seq 1 4000); do echo "s += f$i(s, n);"; done; echo 'return s; }'; } >>big.c
    printf '%%!PS\n0 1 400 { /i exch def 0 1 300 { /j exch def newpath i 1.4 mul j 2.5 mul i j add 13 mod 4 add 0 360 arc i j mul 255 mod 255 div setgray fill } for } for showpage\n' >page.ps
    cat >scene.pov <<'P'
#include "colors.inc"
camera { location <0, 2, -6> look_at 0 }
light_source { <10, 20, -10> color White area_light <4, 0, 0>, <0, 0, 4>, 9, 9 }
plane { y, -1 pigment { checker White Gray50 } finish { reflection 0.3 } }
#declare i = 0; #while (i < 40) sphere { <mod(i, 8) - 4, div(i, 8) * 0.6 - 1, mod(i * 7, 5)>, 0.5 pigment { rgbt <i / 40, 0.4, 1 - i / 40, 0.4> } interior { ior 1.4 } finish { reflection 0.2 phong 1 } } #declare i = i + 1; #end
P
}

make_databases() {
    local dir
    dir=$(echo /usr/lib/postgresql/*/bin)
    mkdir pg && chown postgres pg
    local as=(setpriv --reuid postgres --regid postgres --clear-groups)
    "${as[@]}" "$dir/initdb" -A trust -D "$D/pg" >/dev/null
    mkdir sock && chown postgres sock
    "${as[@]}" "$dir/pg_ctl" -sw -D "$D/pg" -o "-c listen_addresses= -c unix_socket_directories=$D/sock" -l /dev/null start
    "${as[@]}" pgbench -qi -s 5 -h "$D/sock" postgres 2>/dev/null
    "${as[@]}" "$dir/pg_ctl" -sw -D "$D/pg" stop
    mkdir my && chown mysql my
    mariadb-install-db --no-defaults --user=mysql --datadir="$D/my" --auth-root-authentication-method=normal --skip-test-db >/dev/null 2>&1
    mariadbd --no-defaults --user=mysql --datadir="$D/my" --socket="$D/sock/my" --skip-networking >/dev/null 2>&1 &
    local pid=$!
    chmod 777 sock
    until mariadb-admin --no-defaults -S "$D/sock/my" ping >/dev/null 2>&1; do sleep 0.2; kill -0 $pid; done
    mariadb --no-defaults -S "$D/sock/my" -e 'create database test'
    sysbench oltp_read_only --mysql-socket="$D/sock/my" --mysql-user=root --mysql-db=test --tables=1 --table-size=10000 prepare >/dev/null
    mariadb-admin --no-defaults -S "$D/sock/my" shutdown
    wait $pid
}

make_repository() {
    git init -q repo
    for i in $(seq 1 60); do
        head -c $((i * 300)) text.txt >repo/file
        git -C repo add file
        git -C repo -c user.name=nobody -c user.email=nobody@localhost commit -qm "commit $i"
    done
}

prepare() {
    cd "$D" || return
    chmod 755 .
    make_keys
    make_pages
    make_data
    make_databases
    make_repository
}
