# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How each workload is run, one function each. They run in namespaces of their own (process ids, network with nothing but a
# loopback, mounts), in the folder $W/run that is theirs alone, with what prepare() made in $D. The first words of a function, as a comment
# behind its name, say which process name is which program of programs.tsv; '-' is neither taught nor judged. Round $R differs
# from run to run: rates and modes follow it.
# shellcheck disable=SC2046 # what pick() gives is often several options

pick() { shift $((R % $#)); echo "$1"; }
again() { while :; do "$@"; done; }
load() { load-drive --seed "$((R + 1))" "$@" & }
# Rates that servers meet: a trickle, a steady stream, a rush, silence.
rates() { pick "$1:60" "$(($1 * 3)):5,$(($1 / 4 + 1)):5,0:8,$1:8" "max:6,$1:9,$(($1 / 8 + 1)):6" "$(($1 / 3 + 1)):60"; }
http_get() { printf 'GET %s HTTP/1.1\\r\\nHost: localhost\\r\\n%s\\r\\n' "$1" "${2-}"; }
dns_query() { printf '\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x01a\\x04test\\x00\\x00\\x01\\x00\\x01'; }
typing() { pty-drive --seed "$((R + 7))" --keys "$D/keys/$1" -- "${@:2}"; }

# ---- batch

w_cc1() { again gcc -O2 -c -o /dev/null "$D/big.c"; } # cc1=cc1
w_xz() { again xz "-$(pick 6 9 1)" "-T$(pick 1 2 1)" -c "$D/big" >"$(pick /dev/null out)"; } # xz=xz
w_gzip() { again gzip "-$(pick 9 6)" -c "$D/big" >"$(pick /dev/null out)"; } # gzip=gzip
w_sha256sum() { case $((R % 2)) in 0) sha256sum /dev/zero ;; *) again sha256sum "$D/big" "$D/big" "$D/big" >/dev/null ;; esac; } # sha256sum=sha256sum
w_sysbench_cpu() { sysbench cpu --time=0 --threads="$(pick 1 2 4)" run; } # sysbench=sysbench-cpu
w_sysbench_memory() { sysbench memory --time=0 --memory-total-size=100T --memory-block-size="$(pick 1K 1M)" run; } # sysbench=sysbench-memory
w_stress_cpu() { stress-ng --cpu "$(pick 1 4 2)" --cpu-method "$(pick matrixprod int64 fft)"; } # stress-ng-cpu=stress-ng-cpu stress-ng=stress-ng
w_lame() { again lame --quiet -q 0 -r "$D/big" "$(pick /dev/null out.mp3)"; } # lame=lame
w_python3_compute() { /usr/bin/python3 -c 'while True: sum(i * i % 7 for i in range(1000000))'; } # python3*=python3-compute
w_gs() { again gs -q -dNOPAUSE -dBATCH -sDEVICE=png16m -r300 -sOutputFile=/dev/null "$D/page.ps"; } # gs=gs
w_john() { again john --test=30 --format=md5crypt >/dev/null; } # john=john
w_bc() { again bc -lq <<<'scale=4000; a(1)*4; e(1)' >/dev/null; } # bc=bc
w_flac() { again flac -s -8 -f --force-raw-format --endian=little --sign=signed --channels=2 --bps=16 --sample-rate=44100 -o "$(pick /dev/null out.flac)" "$D/big"; } # flac=flac
w_7zr() { again 7zr b "-mmt$(pick 1 2)" >/dev/null; } # 7zr=7zr
w_lzop() { again lzop -9 -c "$D/big" >"$(pick out /dev/null)"; } # lzop=lzop
w_zstd() { again zstd -q "-$(pick 19 12)" -c "$D/big" >"$(pick /dev/null out)"; } # zstd=zstd
w_bzip2() { again bzip2 -9 -c "$D/big" >"$(pick out /dev/null)"; } # bzip2=bzip2
w_pigz() { again pigz -9 -p "$(pick 2 4)" -c "$D/big" >"$(pick /dev/null out)"; } # pigz=pigz
w_x264() { again x264 --quiet --preset "$(pick slow medium)" --threads "$(pick 2 1)" --demuxer raw --input-res 640x360 -o "$(pick /dev/null out.264)" "$D/big"; } # x264=x264
w_opusenc() { again opusenc --quiet --raw --comp 10 "$D/big" "$(pick /dev/null out.opus)"; } # opusenc=opusenc
w_openssl() { again openssl speed -seconds 20 "$(pick rsa2048 sha256)"; } # openssl=openssl
w_povray() { again povray +I"$D/scene.pov" +W800 +H600 +A0.1 -D +O/dev/null "+WT$(pick 1 2)"; } # povray=povray
w_perl_compute() { perl -e 'my $x = 0; for (;;) { $x += sqrt($_) for 1 .. 1000000 }'; } # perl=perl-compute
w_brotli() { again brotli -q 11 -w 22 -c "$D/big" >"$(pick /dev/null out)"; } # brotli=brotli

# ---- server, each with a load that is not taught

w_redis() { # redis-server=redis-server load-drive=- redis-cli=- redis-benchmark=-
    redis-server --port 0 --unixsocket "$PWD/s" --save '' --daemonize no &
    until redis-cli -s "$PWD/s" ping; do sleep 0.1; done
    seq 1 600 | sed 's/^/RPUSH list /' | redis-cli -s "$PWD/s" >/dev/null
    case $((R % 3)) in
    0) load --unix "$PWD/s" --request 'LRANGE list 0 500\r\n' --phases "$(rates 600)" --connections 4 ;;
    1) load --unix "$PWD/s" --request 'SORT list BY nosort GET nothing-* LIMIT 0 300\r\n' --phases "$(rates 400)" --connections 2 ;;
    2) again redis-benchmark -q -s "$PWD/s" -t get,set -c 8 -n 200000 >/dev/null ;;
    esac
    wait
}
w_memcached() { # memcached=memcached load-drive=-
    memcached -u nobody -l 127.0.0.1 -p 11211 -U 0 -t "$(pick 1 4)" &
    load --tcp 11211 --request 'get a b c d e f g h\r\n' --phases "$(rates 3000)" --connections 8
    load --tcp 11211 --request 'set a 0 0 20\r\n01234567890123456789\r\n' --phases "$(rates 500)" --connections 2
    wait
}
w_nginx() { # nginx=nginx load-drive=-
    printf 'daemon off; error_log /dev/null; pid %s/pid; worker_processes %s; events {}\nhttp { access_log %s/log; gzip on; gzip_types text/plain; gzip_comp_level 6; default_type text/plain;\n server { listen 127.0.0.1:8080; root %s/www; } }\n' "$PWD" "$(pick 1 2)" "$PWD" "$D" >conf
    nginx -c "$PWD/conf" &
    load --tcp 8080 --request "$(http_get "$(pick /small.txt /page.txt)" "$(pick 'Accept-Encoding: gzip\r\n' '')")" --phases "$(rates 700)" --connections 6
    wait
}
w_haproxy() { # haproxy=haproxy load-drive=-
    printf 'global\n maxconn 200\n nbthread %s\ndefaults\n mode http\n timeout connect 5s\n timeout client 50s\n timeout server 50s\nfrontend f\n bind 127.0.0.1:8080\n http-request return status 200 content-type text/plain string hello\n' "$(pick 1 2)" >conf
    haproxy -f conf &
    load --tcp 8080 --request "$(http_get / 'Cookie: a=b; c=d\r\n')" --phases "$(rates 1500)" --connections 6
    wait
}
w_postgres() { # postgres=postgres pgbench=-
    cp -a "$D/pg" pg
    chown postgres . pg
    local as=(setpriv --reuid postgres --regid postgres --clear-groups) dir
    dir=$(echo /usr/lib/postgresql/*/bin)
    "${as[@]}" "$dir/postgres" -D "$PWD/pg" -c listen_addresses= -c unix_socket_directories="$PWD" -c fsync="$(pick off on)" &
    until "${as[@]}" psql -qh "$PWD" -c 'select 1' postgres; do sleep 0.2; done
    "${as[@]}" pgbench -h "$PWD" -n -T 600 -c 4 $(pick '-S -R 400' '-S' '-R 120' '-N -R 250') postgres >/dev/null &
    wait
}
w_python3_http() { # python3*=python3-http load-drive=-
    (cd "$D/www" && exec /usr/bin/python3 -m http.server --bind 127.0.0.1 8080 >/dev/null 2>&1) &
    load --tcp 8080 --request "$(http_get /small.txt)" --phases "$(rates 200)" --connections 4
    wait
}
w_mosquitto() { # mosquitto=mosquitto mosquitto_*=- bash=-
    printf 'listener 1883 127.0.0.1\nallow_anonymous true\n' >conf
    mosquitto -c conf >/dev/null 2>&1 &
    sleep 1
    for _ in 1 2 3; do mosquitto_sub -t 't/#' >/dev/null & done
    mkfifo nothing
    exec 9<>nothing
    while read -rt "$(pick 0.002 0.02 0.2)" -u 9 || :; do echo "hello $RANDOM"; done | mosquitto_pub -t t/a -l &
    wait
}
w_unbound() { # unbound=unbound load-drive=-
    printf 'server:\n interface: 127.0.0.1\n port: 5300\n username: ""\n chroot: ""\n do-daemonize: no\n pidfile: ""\n use-syslog: no\n logfile: /dev/null\n num-threads: %s\n local-zone: "test." static\n local-data: "a.test. A 127.0.0.9"\nremote-control:\n control-enable: no\n' "$(pick 1 2)" >conf
    unbound -c "$PWD/conf" -d &
    load --udp 5300 --request "$(dns_query)" --phases "$(rates 2500)" --connections 4
    wait
}
w_lighttpd() { # lighttpd=lighttpd load-drive=-
    printf 'server.document-root = "%s/www"\nserver.port = 8080\nserver.bind = "127.0.0.1"\nmimetype.assign = ( ".txt" => "text/plain" )\n' "$D" >conf
    lighttpd -D -f conf &
    load --tcp 8080 --request "$(http_get "$(pick /small.txt /page.txt)")" --phases "$(rates 900)" --connections 6
    wait
}
w_beanstalkd() { # beanstalkd=beanstalkd load-drive=-
    beanstalkd -l 127.0.0.1 -p 11300 $(pick '' '-b . -f0') &
    load --tcp 11300 --request 'stats\r\n' --phases "$(rates 1200)" --connections 4
    load --tcp 11300 --request 'put 0 0 60 5\r\nhello\r\n' --phases "$(rates 150)" --connections 2
    wait
}
w_mariadb() { # mariadbd=mariadbd sysbench=- mysqladmin=- mariadb*=-
    cp -a "$D/my" my
    chown -R mysql . my
    mariadbd --no-defaults --user=mysql --datadir="$PWD/my" --socket="$PWD/s" --skip-networking --innodb-buffer-pool-size=64M >/dev/null 2>&1 &
    until mariadb-admin --no-defaults -S "$PWD/s" ping; do sleep 0.2; done
    sysbench "$(pick oltp_read_only oltp_point_select oltp_read_write)" --mysql-socket="$PWD/s" --mysql-user=root --mysql-db=test \
        --tables=1 --table-size=10000 --threads=4 --time=0 --rate="$(pick 40 500 10)" run >/dev/null &
    wait
}
w_apache2() { # apache2=apache2 load-drive=-
    printf 'ServerName localhost\nServerRoot %s\nListen 127.0.0.1:8080\nPidFile %s/pid\nErrorLog /dev/null\nDocumentRoot %s/www\nLoadModule mpm_%s_module /usr/lib/apache2/modules/mod_mpm_%s.so\nLoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\nLoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so\nLoadModule filter_module /usr/lib/apache2/modules/mod_filter.so\nSetOutputFilter DEFLATE\nUser nobody\nGroup nogroup\n' "$PWD" "$PWD" "$D" "$(pick event prefork)" "$(pick event prefork)" >conf
    apache2 -f "$PWD/conf" -DFOREGROUND &
    load --tcp 8080 --request "$(http_get /page.txt "$(pick 'Accept-Encoding: gzip\r\n' '')")" --phases "$(rates 300)" --connections 6
    wait
}
w_dnsmasq() { # dnsmasq=dnsmasq load-drive=-
    dnsmasq -k -C /dev/null -p 5300 --no-resolv --no-hosts -A /a.test/127.0.0.9 --bind-interfaces --listen-address=127.0.0.1 -u root &
    load --udp 5300 --request "$(dns_query)" --phases "$(rates 1500)" --connections 4
    wait
}
w_nats() { # nats-server=nats-server load-drive=-
    nats-server -a 127.0.0.1 -p 4222 >/dev/null 2>&1 &
    load --tcp 4222 --request 'PING\r\n' --phases "$(rates 1500)" --connections 6
    wait
}
w_ruby_http() { # ruby*=ruby-http load-drive=-
    ruby -run -e httpd "$D/www" -p 8080 -b 127.0.0.1 >/dev/null 2>&1 &
    load --tcp 8080 --request "$(http_get /small.txt)" --phases "$(rates 150)" --connections 4
    wait
}
w_webfsd() { # webfsd=webfsd load-drive=-
    webfsd -F -i 127.0.0.1 -p 8080 -r "$D/www" &
    load --tcp 8080 --request "$(http_get "$(pick /page.txt /small.txt)")" --phases "$(rates 800)" --connections 6
    wait
}

# ---- interactive: typed at

w_vim() { typing vim vim -u NONE -N "$D/text.txt"; } # vim*=vim pty-drive=-
w_bash() { typing shell bash --norc; } # bash=bash pty-drive=-
w_less() { typing less less "$D/text.txt"; } # less=less pty-drive=-
w_mc() { typing mc mc -u "$D/www" /usr/include; } # mc=mc pty-drive=-
w_htop() { typing htop htop -d 15; } # htop=htop pty-drive=-
w_python3_repl() { typing python /usr/bin/python3 -q; } # python3*=python3-repl pty-drive=-
w_zsh() { typing shell zsh -f; } # zsh=zsh pty-drive=-
w_joe() { typing editor joe "$D/text.txt"; } # joe=joe pty-drive=-
w_tig() { cd "$D/repo" && typing less tig; } # tig=tig pty-drive=-
w_nano() { typing editor nano "$D/text.txt"; } # nano=nano pty-drive=-
w_emacs() { typing editor emacs -nw -Q "$D/text.txt"; } # emacs*=emacs pty-drive=-
w_top() { typing top top -d 1; } # top=top pty-drive=-
w_dash() { typing shell dash -i; } # dash=dash pty-drive=-
w_ne() { typing editor ne "$D/text.txt"; } # ne=ne pty-drive=-
w_w3m() { typing less w3m "$D/www/page.html"; } # w3m=w3m pty-drive=-
w_tmux() { typing shell tmux -f /dev/null -S "$PWD/tmux" new dash; } # tmux*=tmux dash=dash pty-drive=-
w_ncdu() { typing mc ncdu -0 /usr/include; } # ncdu=ncdu pty-drive=-

# ---- io, on the real disk

w_fio() { # fio=fio
    fio --name=a --filename="$PWD/f" --size=256m --time_based --runtime=600 --output=/dev/null \
        $(pick '--rw=randread --bs=4k --direct=1' '--rw=write --bs=64k --fsync=8' '--rw=randrw --bs=16k --direct=1 --ioengine=libaio --iodepth=8' \
            '--rw=randwrite --bs=4k --fsync=1' '--rw=read --bs=1m --direct=1 --rate=200m')
}
w_dd() { again dd if="$(pick /dev/zero "$D/big" "$D/big")" of="$(pick out /dev/null out)" status=none $(pick 'bs=8k count=100000 oflag=dsync' 'bs=16k iflag=direct' 'bs=256k oflag=direct'); } # dd=dd
w_tar() { vmtouch -qe "$D/tree"; again tar -cf "$(pick out.tar /dev/zero)" "$D/tree"; } # tar=tar vmtouch=-
w_cp() { while :; do vmtouch -qe "$D/tree"; cp -r "$D/tree" copy; sync -f copy; rm -rf copy; done; } # cp=cp vmtouch=- sync=- rm=-
w_sysbench_fileio() { # sysbench=sysbench-fileio
    sysbench fileio --file-total-size=256M --file-num=8 prepare >/dev/null
    sysbench fileio --file-total-size=256M --file-num=8 --file-test-mode="$(pick rndrw rndwr rndrd)" --file-extra-flags="$(pick direct dsync direct)" --time=0 run
}
w_stress_hdd() { stress-ng --hdd 1 --hdd-bytes 256M --hdd-opts "$(pick direct,rd-rnd fsync,wr-seq)" --temp-path "$PWD"; } # stress-ng-hdd=stress-ng-hdd stress-ng=stress-ng
w_grep() { while :; do vmtouch -qe "$D/tree"; grep -r no-such-text "$D/tree"; done; } # grep=grep vmtouch=-
w_vmtouch() { while :; do vmtouch -qe "$D/tree"; vmtouch -qt "$D/tree"; done; } # vmtouch=vmtouch
w_rsync() { while :; do vmtouch -qe "$D/tree"; rsync -a --fsync "$D/tree" copy; rm -rf copy; done; } # rsync=rsync vmtouch=- rm=-
w_ioping() { truncate -s 64M f; ioping -q $(pick '-D -i 0 -s 4k' '-D -i 0 -s 256k' '-W -Y -i 0 -s 4k') f; } # ioping=ioping
w_bonnie() { again bonnie++ -q -d . -r 128 -s 256 -n 4 -u root >/dev/null 2>&1; } # bonnie++=bonnie
w_shred() { head -c 64M /dev/zero >f; again shred -n 3 f; } # shred=shred

# ---- memory: faults

w_stress_vm() { stress-ng --vm "$(pick 1 2)" --vm-bytes "$(pick 256M 1G)" --vm-method "$(pick write64 flip zero-one)"; } # stress-ng-vm=stress-ng-vm stress-ng=stress-ng
w_stress_bigheap() { stress-ng --bigheap 1 --bigheap-growth 1M; } # stress-ng-bighe*=stress-ng-bigheap stress-ng=stress-ng
w_stress_mmap() { stress-ng --mmap 1 --mmap-bytes "$(pick 128M 512M)"; } # stress-ng-mmap=stress-ng-mmap stress-ng=stress-ng
w_python3_alloc() { /usr/bin/python3 -c "$(pick 'while True: bytearray(200 << 20)' $'while True:\n l = []\n for i in range(3000): l.append(b"x" * 500000)' $'while True:\n l = [[i] for i in range(5000000)]')"; } # python3*=python3-alloc
w_gawk_array() { again gawk 'BEGIN { for (i = 0; i < 12000000; i++) a[i] = i "abcdef" }'; } # gawk=gawk-array
w_sqlite_memory() { again sqlite3 :memory: 'create table t(b); with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000) insert into t select zeroblob(50000) from n;'; } # sqlite3=sqlite3-memory
w_perl_alloc() { perl -e "$(pick 'for (;;) { my $x = "x" x 200000000; }' 'for (;;) { my @a; push @a, "y" x 4000 for 1 .. 300000; }')"; } # perl=perl-alloc
w_lua_alloc() { lua5.4 -e "$(pick 'while true do local s = string.rep("x", 100000000) end' 'while true do local t = {} for i = 1, 3000 do t[i] = string.rep("y", 300000 + i) end end')"; } # lua5.4=lua-alloc
w_gm_canvas() { again gm convert -size 12000x12000 xc:white xc:black xc:red -append null:; } # gm=gm-canvas
w_ruby_alloc() { ruby -e 'loop { a = []; 2000.times { |i| a << "z" * (400000 + i) } }'; } # ruby*=ruby-alloc

# ---- idle

w_sleep() { again sleep "$(pick 60 600)"; } # sleep=sleep bash=-
w_busybox_ping() { busybox ping -i "$(pick 3 2 5)" 127.0.0.1 >/dev/null; } # busybox=busybox-ping ping=busybox-ping
w_python3_timer() { # python3*=python3-timer
    for seconds in 1.5 3 7; do /usr/bin/python3 -c "import time
while True:
    time.sleep($seconds)
    sum(range(2000))" & done
    wait
}
w_tail() { : >log; (while sleep 4; do echo line; done >>log) & tail -f log >/dev/null; } # tail=tail bash=- sleep=-
w_vmstat() { vmstat "$(pick 3 2)" >/dev/null; } # vmstat=vmstat
w_watch() { pty-drive -- watch -n 4 true; } # watch=watch pty-drive=-
