# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the workloads work on, made once in $D: cached data, a tree of small files, databases, pages.

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
    (cd /usr && find share include -xdev -type f -size -200k -print0 | sort -z | head -zn 50000 | cpio -0pdm --quiet "$D/tree") || :
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

# What compilers, checkers, renderers, solvers and encoders are given.
make_sources() {
    {
        printf '#include <algorithm>\n#include <map>\n#include <regex>\n#include <string>\n#include <vector>\n'
        for i in $(seq 1 60); do
            printf 'struct S%d { int a; std::string b; bool operator<(const S%d &o) const { return b < o.b || a < o.a; } };\n' "$i" "$i"
            printf 'int f%d(const std::string &s) { std::map<S%d, std::vector<S%d>> m; std::regex r("(a|b)*c%d"); std::vector<S%d> v; for (char c : s) v.push_back({c, s}); std::sort(v.begin(), v.end()); m[v[0]] = v; return (int) m.size() + std::regex_match(s, r); }\n' "$i" "$i" "$i" "$i" "$i"
        done
    } >big.cc
    {
        printf 'import java.util.*;\nimport java.util.stream.*;\npublic class Big {\n'
        for i in $(seq 1 2500); do
            printf ' static <T extends Comparable<T>> Map<T, List<String>> f%d(List<T> l) { return l.stream().filter(x -> x.compareTo(l.get(0)) > %d).collect(Collectors.groupingBy(x -> x, TreeMap::new, Collectors.mapping(x -> "a" + x, Collectors.toList()))); }\n' "$i" $((i % 3))
        done
        printf '}\n'
    } >Big.java
    for i in $(seq 1 2500); do
        # shellcheck disable=SC2016 # it is the text of a script
        printf 'f%d() { local a=$1 b="$2"; for x in $a; do if [ "$x" = "%d" ]; then echo "$x" | sed "s/a/$b/"; fi; done; }\n' "$i" "$i"
    done >big.sh
    sed -i '1i #!/bin/bash' big.sh
    mkdir -p java
    cat >Work.java <<'J'
import java.io.*;
public class Work {
    static byte[][] kept;
    public static void main(String[] a) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in));
        for (String l; (l = in.readLine()) != null;) {
            long s = 0;
            if (l.equals("memory")) {
                kept = new byte[400][];
                for (int i = 0; i < kept.length; i++) kept[i] = new byte[1 << 20];
                kept = null;
                System.gc();
            } else
                for (long i = 0; i < 200000000L; i++) s = s * 31 + (s ^ i);
            System.out.println(s);
        }
    }
}
J
    cat >Web.java <<'J'
import com.sun.net.httpserver.*;
import java.net.*;
public class Web {
    public static void main(String[] a) throws Exception {
        var s = HttpServer.create(new InetSocketAddress("127.0.0.1", 8080), 0);
        s.createContext("/", x -> { byte[] b = ("hello " + x.getRequestHeaders()).repeat(20).getBytes(); x.sendResponseHeaders(200, b.length); x.getResponseBody().write(b); x.close(); });
        s.start();
    }
}
J
    echo 'public class Timer { public static void main(String[] a) throws Exception { for (;;) Thread.sleep(4000); } }' >Timer.java
    javac -d java Work.java Web.java Timer.java
    head -c 24M big >part
}

make_documents() {
    # A picture with some noise in it.
    awk 'BEGIN { srand(1); w = 1400; h = 900; printf "P3\n%d %d\n255\n", w, h; for (y = 0; y < h; y++) for (x = 0; x < w; x++) printf "%d %d %d\n", (x * y / 500 + rand() * 20) % 256, (x / 6 + rand() * 30) % 256, (y / 4 + 50 * sin(x / 40)) % 256 }' >photo.ppm
    gm convert photo.ppm photo.png
    head -c 300000 photo.ppm >page.ppm
    for _ in 1 2 3 4; do cat page.ps; done >pages.ps
    gs -q -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -sOutputFile=pages.pdf pages.ps
    awk 'BEGIN { srand(2); print "digraph g {"; for (i = 0; i < 700; i++) printf "n%d -> n%d;\n", int(rand() * 350), int(rand() * 350); print "}" }' >graph.dot
    # Pigeons that do not fit in their holes: hard for every solver.
    awk 'BEGIN { n = 12; c = n + 1 + n * (n + 1) * n / 2; print "p cnf", (n + 1) * n, c; for (p = 0; p <= n; p++) { for (h = 1; h <= n; h++) printf "%d ", p * n + h; print 0 } for (h = 1; h <= n; h++) for (p = 0; p <= n; p++) for (q = p + 1; q <= n; q++) print -(p * n + h), -(q * n + h), 0 }' >hard.cnf
    printf 'set I := 1..220;\nparam w{i in I} := 1000 + (i * 7919) mod 997;\nvar x{I} binary;\nmaximize z: sum{i in I} w[i] * x[i];\ns.t. a: sum{i in I} (w[i] + (i * 31) mod 7) * x[i] <= 70003;\ns.t. b: sum{i in I} ((i * 17) mod 101) * x[i] <= 1999;\nsolve;\nend;\n' >knapsack.mod
    awk 'BEGIN { srand(3); split("ACDEFGHIKLMNPQRSTVWY", a, ""); for (i = 0; i < 250; i++) { printf ">p%d\n", i; for (k = 0; k < 350; k++) printf "%s", a[1 + int(rand() * 20)]; print "" } }' >proteins.fa
    awk 'BEGIN { srand(4); for (i = 0; i < 20000; i++) { printf "{\"a\": %d, \"b\": \"", i; for (k = 0; k < 40; k++) printf "%c", 97 + int(rand() * 26); printf "\", \"c\": [%d, %d, %d]}\n", rand() * 999, rand() * 999, rand() * 999 } }' >rows.json
    for i in $(seq 1 60); do
        printf 'From a@localhost Mon Jan  1 00:00:00 2024\nFrom: a@localhost\nTo: b@localhost\nSubject: letter %d\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\n' "$i"
        head -n 40 text.txt
        echo
    done >mbox
    par2 create -q -q -r5 part
}

make_databases() {
    local dir
    dir=$(echo /usr/lib/postgresql/*/bin)
    mkdir pg && chown postgres pg
    local as=(setpriv --reuid postgres --regid postgres --clear-groups)
    "${as[@]}" "$dir/initdb" -A trust -D "$D/pg"
    mkdir sock && chown postgres sock
    "${as[@]}" "$dir/pg_ctl" -sw -D "$D/pg" -o "-c listen_addresses= -c unix_socket_directories=$D/sock" -l /dev/null start
    "${as[@]}" pgbench -qi -s 5 -h "$D/sock" postgres
    "${as[@]}" "$dir/pg_ctl" -sw -D "$D/pg" stop
    mkdir my && chown mysql my
    mariadb-install-db --no-defaults --user=mysql --datadir="$D/my" --auth-root-authentication-method=normal --skip-test-db
    mariadbd --no-defaults --user=mysql --datadir="$D/my" --socket="$D/sock/my" --skip-networking &
    local pid=$!
    chmod 777 sock
    until mariadb-admin --no-defaults -S "$D/sock/my" ping 2>/dev/null; do sleep 0.2; kill -0 $pid; done
    mariadb --no-defaults -S "$D/sock/my" -e 'create database test'
    sysbench oltp_read_only --mysql-socket="$D/sock/my" --mysql-user=root --mysql-db=test --tables=1 --table-size=10000 prepare
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
    make_pages
    make_data
    make_sources
    make_documents
    make_databases
    make_repository
}
