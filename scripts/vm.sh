#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian machines under QEMU, each with a kernel, systemd, D-Bus and polkit of its own, to run commands in. A machine is built and
# booted once and saved while it runs; each command gets its own restored copy, one or two seconds later, that nobody sees again.
#   vm.sh build GUEST...                        make what is not there, or not of the newest kernel (needs root)
#   vm.sh run [OPTION...] GUEST -- COMMAND...   run COMMAND as root in a copy of GUEST
#   vm.sh derive [-d DIR] [-t SEC] GUEST NAME -- COMMAND...
#                                               run COMMAND (to install something) and save what it made as GUEST@NAME, if
#                                               COMMAND succeeds; does nothing where GUEST, DIR and COMMAND are as last time
#   vm.sh shell GUEST                           a root shell in a copy of GUEST, on this terminal
#   vm.sh list                                  guests, kernels, sizes
#   vm.sh clean [GUEST...]                      remove guests, and what was derived from them
# Options of run:
#   -d DIR  what is in DIR goes to /payload, where COMMAND starts (at most 256 MiB)
#   -o DIR  receives what COMMAND left in /results, the console, and after a failure the journal
#   -t SEC  time limit (300)
#   -b      boot instead of restoring    -a ARGS  kernel parameters, -m SIZE memory (1G): both imply -b
# The exit status is COMMAND's; 124: time limit; 125: no result (the machine panicked or switched itself off: its console is shown).
# COMMAND sees VM_GUEST, and VM_BOOT=1. With status 75 it asks for a reboot: it is called again with VM_BOOT=2, on the same disk.
# Environment: AIKM_VM_CACHE (/var/cache/aikmd-vm), AIKM_VM_ACCEL (kvm where that works, else tcg), AIKM_VM_MIRROR, QEMU
set -euo pipefail

# name, userland, kernel of, packages that userland lacks come from
guests='
debian12      bookworm  trixie-backports  -
debian12-6.1  bookworm  bookworm          -
debian13      trixie    trixie            bookworm
'
packages=(systemd systemd-sysv systemd-container dbus dbus-user-session libpam-systemd polkitd udev kmod iproute2 procps util-linux
    openssh-server busybox-static libbpf1 libcgroup2 libjson-c5 libncursesw6 libprotobuf-c1 libmd0 libsystemd0 libsqlite3-0)
cpus=2 memory=1G disk=2G payload_limit=256M

cache=${AIKM_VM_CACHE:-/var/cache/aikmd-vm}
parts=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../tests/vm/guest")
qemu=${QEMU:-qemu-system-x86_64}
work= new= job= machine= pump= terminal=

say() { echo "vm.sh: $*" >&2; }
die() { # status, words
    local status=$1
    shift
    say "$*"
    exit "$status"
}
usage() { sed -n '/^#   vm.sh/,/^# Environment/s/^# \{0,3\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

# Runs what takes long so that a signal ends it, too.
patiently() {
    "$@" &
    job=$!
    local status=0
    wait "$job" || status=$?
    job=
    return $status
}
end() { # a child of ours
    [ -z "$1" ] || { kill "$1" 2>/dev/null && wait "$1" 2>/dev/null || :; }
}
cleanup() {
    trap '' INT TERM HUP
    trap - EXIT
    end "$job"
    end "$machine"
    end "$pump"
    [ -z "$terminal" ] || stty "$terminal" </dev/tty
    [ -z "$new" ] || rm -rf "$new"
    [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- What a guest is made of ---

row() { awk -v name="$1" '$1 == name' <<<"$guests"; }
mirror() {
    local sites
    sites=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep '/debian/\?$' || :)
    sites=${AIKM_VM_MIRROR:-${sites%%$'\n'*}}
    [ -n "$sites" ] || die 125 "cannot tell which mirror of Debian this machine uses: set AIKM_VM_MIRROR"
    echo "$sites"
}
acceleration() {
    if [ -n "${AIKM_VM_ACCEL:-}" ]; then
        echo "$AIKM_VM_ACCEL"
    elif [ -w /dev/kvm ] && (ulimit -c 0; timeout 10 "$qemu" -M q35 -accel kvm -cpu host -m 64M -nodefaults -display none -S -monitor stdio; exit $?) <<<quit >/dev/null 2>&1; then
        echo kvm # a device that is there may still not do
    else
        echo tcg
    fi
}
# apt with lists of its own: suite, program, arguments
apt_of() {
    local suite=$1 program=$2 state=$cache/apt/$1
    shift 2
    "$program" -qq -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/nonexistent -o Dir::State::lists="$state/lists" \
        -o Dir::Cache="$state/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root "$@"
}
# The newest kernel of a suite, asked for once in an hour; without a network the one that was known last.
newest_kernel() { # suite
    local state=$cache/apt/$1 lock from
    mkdir -p "$state/lists/partial" "$state/cache"
    exec {lock}>"$state/lock"
    flock "$lock"
    if [ -z "$(find "$state/asked" -mmin -60 2>/dev/null)" ]; then
        from=$(mirror)
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $1 main" >"$state/sources.list"
        if patiently apt_of "$1" apt-get -o APT::Update::Error-Mode=any update >&2; then
            touch "$state/asked"
        else
            say "cannot ask the mirror for kernels of $1, going on with those known"
        fi
    fi
    exec {lock}>&-
    apt_of "$1" apt-cache show linux-image-cloud-amd64 2>/dev/null | sed -n 's/^Depends:.*linux-image-\([0-9][^ ,]*\).*/\1/p' | sed -n 1p
}
# What makes two guests the same. The functions count as far as they make the guest.
key_of() { # name, kernel
    { row "$1"; echo "$2" "${packages[@]}" "$cpus" "$memory" "$disk" "$payload_limit" "$(acceleration)"
        "$qemu" --version
        grep -m 1 '^model name' /proc/cpuinfo || :
        declare -f make_root make_quiet make_kernel machine_start
        cat "$parts"/*; } | sha256sum | cut -d ' ' -f 1
}

make_root() { # root directory, suite, more suites
    local suite from
    from=$(mirror)
    local sources=("deb $from $2 main")
    for suite in ${3#-}; do sources+=("deb $from $suite main"); done
    patiently mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$2" "$1" "${sources[@]}" </dev/null >&2
    # What is installed later is installed whole.
    rm -f "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
    for user in alice bob; do chroot "$1" useradd --create-home --shell /bin/bash "$user"; done
}
# Starts only what tests need; sockets and D-Bus activation keep the rest within reach.
make_quiet() { # root directory
    local generator wants name keep=()
    mkdir -p "$1/etc/systemd/system-generators"
    for generator in "$1"/usr/lib/systemd/system-generators/*; do
        case $generator in
        *debug-generator) ;;
        *) ln -sf /dev/null "$1/etc/systemd/system-generators/${generator##*/}" ;;
        esac
    done
    for name in 'systemd-journald*' systemd-journal-flush.service 'systemd-tmpfiles-setup*' kmod-static-nodes.service \
        sys-kernel-tracing.mount tmp.mount 'dbus*' 'systemd-udevd-*.socket' systemd-logind.service systemd-user-sessions.service; do
        keep+=(! -name "$name")
    done
    for wants in "$1"/{etc,usr/lib}/systemd/system/{sysinit,multi-user,local-fs,sockets,timers,getty}.target.wants; do
        [ ! -d "$wants" ] || find "$wants" -type l "${keep[@]}" -delete
    done
    : >"$1/etc/fstab"
    echo vm >"$1/etc/hostname"
    echo '127.0.0.1 localhost vm' >"$1/etc/hosts"
    tr -d - </proc/sys/kernel/random/uuid >"$1/etc/machine-id"
    touch "$1/etc/.updated" "$1/var/.updated"
    install -D -m 755 "$parts/agent.sh" "$1/usr/local/lib/vm/agent.sh"
    install -m 644 "$parts/vm-agent.service" "$parts/vm-test.target" "$1/etc/systemd/system"
}
# The kernel is unpacked, not installed: no maintainer scripts, no initramfs-tools.
make_kernel() { # guest directory, root directory, suite, kernel
    local debs=$1/debs unpacked=$1/kernel package modules vmlinuz
    mkdir "$debs" "$unpacked"
    # Releases differ in how many packages they make of it.
    for package in linux-image linux-binary linux-base linux-modules; do
        [ -z "$(apt_of "$3" apt-cache show "$package-$4" 2>/dev/null)" ] || (cd "$debs" && apt_of "$3" apt-get download "$package-$4" >&2)
    done
    for package in "$debs"/*.deb; do dpkg-deb -x "$package" "$unpacked"; done
    modules=$(find "$unpacked" -type d -path "*/modules/$4" -print -quit)
    mv "$(find "$unpacked" -name 'vmlinuz*' -size +1M -print -quit)" "$1/vmlinuz"
    mkdir -p "$2/usr/lib/modules"
    mv "$modules" "$2/usr/lib/modules"
    depmod -b "$2" "$4"
    python3 "$parts/initrd.py" "$1/vmlinuz" "$2/usr/lib/modules/$4" "$2/bin/busybox" "$1"
    rm "$1/vmlinuz"
    rm -rf "$debs" "$unpacked"
}

# --- A machine: the process and its ports ---

ports_open() {
    local name
    for name in qmp ctl out; do mkfifo "$work/$name.in" "$work/$name.out"; done
    exec {to_qmp}<>"$work/qmp.in" {from_qmp}<>"$work/qmp.out" {to_ctl}<>"$work/ctl.in" {from_ctl}<>"$work/ctl.out" {hold}<>"$work/out.out"
    cat <"$work/out.out" {hold}<&- &
    pump=$!
}
# A copy has the guest's files open, whatever takes their place; its disk goes with $work.
disk_copy() { # guest directory
    exec {vmlinux}<"$1/vmlinux" {initrd}<"$1/initrd" {root}<"$1/root.ext4"
    qemu-img create -q -f qcow2 -F raw -b "/dev/fd/$root" "$work/root.qcow2"
}
# A copy keeps its changes to itself; a machine to be kept changes the files in its directory.
machine_start() { # guest directory, copy|keep, boot|restore, kernel parameters
    local accel cpu khz name ram=memory-backend-file,share=on,mem-path=$1/ram disk_file="file=$1/root.ext4,format=raw" kernel=$1/vmlinux initial=$1/initrd args
    again=("$1" "$2" boot "$4")
    accel=$(acceleration) cpu=host
    # With cmpxchg16b, QEMU 7.2's emulation on several threads corrupts flags: double faults at random. And a kernel patches its own code
    # while it boots: one CPU of several threads may then run half of it ("Oops: int3"), so booting is for one thread.
    [ "$accel" = kvm ] || { accel=tcg,thread=$([ "$3" = boot ] && echo single || echo multi) cpu=max,-cx16; }
    khz=$([ "$accel" = kvm ] || [ "$(uname -m)" != x86_64 ] || python3 "$parts/tsc-khz.py") || khz=
    if [ "$2" = copy ]; then
        [ -e "$work/root.qcow2" ] || disk_copy "$1"
        disk_file="file=$work/root.qcow2,format=qcow2" kernel=/dev/fd/$vmlinux initial=/dev/fd/$initrd
        ram=memory-backend-file,share=off,mem-path=$1/ram
        [ "$3" = restore ] || ram=memory-backend-ram
    fi
    args=(-M q35,usb=off,sata=off,smbus=off,memory-backend=ram -accel "$accel" -cpu "$cpu" -smp "$cpus" -m "$memory"
        -object "$ram,id=ram,size=$memory" -nodefaults -display none -nic none -no-reboot -kernel "$kernel" -initrd "$initial"
        -append "console=ttyS0 panic=-1 quiet systemd.unit=vm-test.target systemd.show_status=0 mitigations=off audit=0 random.trust_cpu=on tsc=reliable${khz:+ tsc_early_khz=$khz} no_timer_check cryptomgr.notests rcupdate.rcu_expedited=1 $4"
        -drive "$disk_file,if=none,id=root,cache=unsafe" -device virtio-blk-pci,drive=root,serial=root
        -drive "file=$work/payload.tar,if=none,id=payload,format=raw,readonly=on" -device virtio-blk-pci,drive=payload,serial=payload
        -chardev "file,id=console,path=$work/console.log,append=on" -serial chardev:console -chardev "pipe,id=qmp,path=$work/qmp" -mon chardev=qmp,mode=control -device virtio-serial
        -chardev "file,id=results,path=$work/results" -device virtserialport,chardev=results,name=results)
    for name in ctl out; do args+=(-chardev "pipe,id=$name,path=$work/$name" -device "virtserialport,chardev=$name,name=$name"); done
    [ "$3" = boot ] || args+=(-incoming defer)

    [ -p "$work/qmp.in" ] || ports_open
    # Should we be killed, it goes with us.
    TMPDIR=$work setpriv --pdeathsig KILL "$qemu" "${args[@]}" </dev/null >>"$work/qemu.log" 2>&1 {hold}<&- &
    machine=$!
    heard= # what another machine said before is nothing of this one's
    qmp qmp_capabilities
    [ "$3" = boot ] || { qmp_events && qmp migrate-incoming "\"uri\": \"exec:cat $(printf %q "$1/state")\""; }
}
# Sets line to the next from a descriptor, or fails after a second; half of one is kept.
halves=()
next_line() { # descriptor
    if IFS= read -r -t 1 -u "$1" line; then
        line=${halves[$1]:-}$line halves[$1]=
        return 0
    fi
    halves[$1]=${halves[$1]:-}$line
    return 1
}
machine_alive() { kill -0 "$machine" 2>/dev/null; }
qmp() { # command, arguments
    local line
    echo "{\"execute\": \"$1\", \"arguments\": {${2:-}}}" >&"$to_qmp"
    while machine_alive; do
        next_line "$from_qmp" || continue
        case $line in
        '{"return"'*) return 0 ;;
        '{"error"'*) say "QEMU: $1: $line"; return 1 ;;
        esac
    done
    return 1
}
# RAM in a shared file stays there and is not written a second time.
qmp_events() {
    qmp migrate-set-capabilities '"capabilities": [{"capability": "x-ignore-shared", "state": true}, {"capability": "events", "state": true}]'
}
# Sets heard to the next line of the guest's agent.
hear() {
    local line
    while [ $SECONDS -lt "$deadline" ]; do
        if next_line "$from_ctl"; then
            heard=$line
            return 0
        fi
        machine_alive || return 125
    done
    return 124
}
machine_ended() {
    while machine_alive; do
        [ $SECONDS -lt "$deadline" ] || return 124
        sleep 0.1
    done
    wait "$machine" || return 125
    machine=
}
# Follows the guest until the command has ended, over reboots; sets status. A machine was saved after it had said that it is ready.
machine_run() { # boot|restore
    local boot=1 seed
    [ "$1" = restore ] && heard=ready || hear || return
    while :; do
        case $heard in
        ready)
            seed=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
            echo "go $boot $(date +%s) $seed" >&"$to_ctl" ;;
        reboot)
            boot=$((boot + 1))
            echo go >&"$to_ctl"
            machine_ended || return
            machine_start "${again[@]}" || return 125 ;;
        'rc '*)
            status=${heard#rc }
            return 0 ;;
        esac
        hear || return
    done
}
machine_save() { # guest directory
    local line
    until [ "${heard:-}" = ready ]; do hear || return; done
    qmp_events || return 125
    qmp migrate "\"uri\": \"exec:cat >$(printf %q "$1/state.new")\"" || return 125
    while machine_alive && [ $SECONDS -lt "$deadline" ]; do
        next_line "$from_qmp" || continue
        case $line in
        *'"status": "completed"'*) break ;;
        *'"status": "failed"'*) return 125 ;;
        esac
    done
    qmp quit || :
    wait "$machine" || return 125
    machine=
    mv "$1/state.new" "$1/state"
}
machine_stop() {
    end "$machine"
    machine=
    exec {hold}<&-
    wait "$pump" || :
    pump=
}
failed() { # 124 or 125
    machine_stop
    cat "$work/qemu.log" >&2
    tail -n 60 "$work/console.log" >&2 || :
    [ "$1" = 124 ] && die 124 "time limit reached; last heard of the guest: ${heard:-nothing}" || die 125 "the machine ended without a result"
}

# --- Guests: directories of the cache, whole or not there ---

work_make() { work=$(mktemp -d "${TMPDIR:-/tmp}/aikmd-vm.XXXXXX"); }
# The same bytes for the same files, so that they can be told from others.
payload_make() { # directory or nothing, command
    local dir=$1
    shift
    mkdir "$work/empty" "$work/run"
    { printf 'export VM_GUEST=%q\n' "$guest"; printf '%q ' exec "$@"; echo; } >"$work/run/.vm-run"
    local same=(--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner)
    tar -C "${dir:-$work/empty}" "${same[@]}" -cf "$work/payload.tar" .
    tar -C "$work/run" "${same[@]}" -rf "$work/payload.tar" .vm-run
    payload_key=$(sha256sum <"$work/payload.tar" | cut -d ' ' -f 1)
    [ "$(stat -c %s "$work/payload.tar")" -le $((${payload_limit%M} << 20)) ] || die 2 "payload over $payload_limit"
    truncate -s "$payload_limit" "$work/payload.tar" # a saved machine knows the size of its disks
}
lock() { # exclusive|shared, guest
    mkdir -p "$cache"
    exec {held}>>"$cache/$2.lock"
    flock "--$1" "$held"
}
unlock() { # for our children, too
    flock --unlock "$held"
    exec {held}>&-
}
# A new guest takes its place at once; machines that run keep the files that they have opened.
publish() { # guest
    rm -rf "$cache/.old-$1"
    [ ! -e "$cache/$1" ] || mv "$cache/$1" "$cache/.old-$1"
    mv "$new" "$cache/$1"
    new=
    rm -rf "$cache/.old-$1"
}
begin() { # guest
    rm -rf "$cache"/.new-"$1".* # whoever held the lock before was killed
    new=$(mktemp -d "$cache/.new-$1.XXXXXX")
    chmod 755 "$new"
}
is_current() { # guest, key
    [ "$(cat "$cache/$1/key" 2>/dev/null)" = "$2" ]
}

guest_build() { # guest, kernel or nothing: the one that it has
    local name=$1 kernel=$2 suite kernel_suite more started=$SECONDS
    [ -n "$(row "$name")" ] || die 2 "no guest $name; there are: $(awk '{ print $1 }' <<<"$guests" | xargs)"
    [ -n "$kernel" ] || kernel=$(cat "$cache/$name/kernel-version" 2>/dev/null) || :
    ! is_current "$name" "$(key_of "$name" "$kernel")" || return 0
    read -r _ suite kernel_suite more < <(row "$name")
    [ "$(id -u)" = 0 ] || die 2 "to build $name, run this as root"
    lock exclusive "$name"
    [ -n "$kernel" ] || kernel=$(newest_kernel "$kernel_suite")
    [ -n "$kernel" ] || die 2 "no kernel known in $kernel_suite, and no mirror to ask"
    if ! is_current "$name" "$(key_of "$name" "$kernel")"; then
        say "building $name: $suite, kernel $kernel"
        begin "$name"
        make_root "$new/root" "$suite" "$more"
        make_quiet "$new/root"
        make_kernel "$new" "$new/root" "$kernel_suite" "$kernel"
        truncate -s "$disk" "$new/root.ext4"
        patiently mke2fs -q -F -t ext4 -O ^metadata_csum -J size=8 -E lazy_itable_init=1,nodiscard -d "$new/root" "$new/root.ext4"
        rm -rf "$new/root"
        say "saving $name (built in $((SECONDS - started)) s)"
        work_make
        guest=$name payload_make "" true
        deadline=$((SECONDS + 900))
        machine_start "$new" keep boot "" || failed 125
        machine_save "$new" || failed $?
        machine_stop
        rm -rf "$work"
        echo "$kernel" >"$new/kernel-version"
        key_of "$name" "$kernel" >"$new/key"
        publish "$name"
        say "$name is ready ($((SECONDS - started)) s)"
    fi
    unlock
}

# --- Commands ---

options() { # letters, arguments
    local letters=$1 o
    shift
    OPTIND=1
    while getopts "$letters" o; do
        case $o in
        d) dir=$OPTARG ;;
        o) out=$OPTARG ;;
        t) limit=$OPTARG ;;
        b) how=boot ;;
        a) parameters=$OPTARG how=boot ;;
        m) memory_wanted=$OPTARG how=boot ;;
        *) usage ;;
        esac
    done
}
ensure() { # guest
    case $1 in
    *@*) [ -s "$cache/$1/key" ] || die 2 "$1 was not derived yet" ;;
    *) guest_build "$1" "" ;;
    esac
}
command_build() {
    local name kernel_suite
    [ $# -gt 0 ] || usage
    for name; do
        read -r _ _ kernel_suite _ < <(row "$name") || die 2 "no guest $name"
        guest_build "$name" "$(newest_kernel "$kernel_suite")"
    done
}
command_run() {
    local result=0
    options d:o:t:ba:m: "$@"
    shift $((OPTIND - 1))
    [ $# -ge 3 ] && [ "$2" = -- ] || usage
    guest=$1
    shift 2
    ensure "$guest"
    memory=${memory_wanted:-$memory}
    work_make
    payload_make "$dir" "$@"
    deadline=$((SECONDS + limit))
    lock shared "$guest"
    machine_start "$cache/$guest" copy "$how" "$parameters" || failed 125
    unlock
    machine_run "$how" || result=$?
    if [ -n "$out" ]; then
        mkdir -p "$out"
        cp "$work/console.log" "$out"
        [ ! -s "$work/results" ] || tar -C "$out" --no-same-owner -xf "$work/results"
    fi
    [ $result = 0 ] || failed $result
    machine_stop
    return "$status"
}
command_derive() {
    local base name started=$SECONDS
    options d:t: "$@"
    shift $((OPTIND - 1))
    [ $# -ge 4 ] && [ "$3" = -- ] || usage
    base=$1 name=$2 guest=$1@$2
    shift 3
    ensure "$base"
    work_make
    payload_make "$dir" "$@"
    lock exclusive "$guest"
    local key
    key="$(cat "$cache/$base/key") $payload_key"
    ! is_current "$guest" "$key" || return 0
    say "deriving $guest"
    begin "$guest"
    (lock shared "$base"
    cp --sparse=always --reflink=auto "$cache/$base"/{root.ext4,ram} "$new"
    cp "$cache/$base"/{state,kernel-version} "$new"
    ln "$cache/$base"/{vmlinux,initrd} "$new")
    deadline=$((SECONDS + limit))
    machine_start "$new" keep restore "" || failed 125
    machine_run restore || failed $?
    [ "$status" = 0 ] || { machine_stop; die "$status" "$guest is not made: the command's status is $status"; }
    machine_save "$new" || failed $?
    machine_stop
    echo "$key" >"$new/key"
    publish "$guest"
    say "$guest is ready ($((SECONDS - started)) s)"
}
command_shell() {
    [ $# = 1 ] && [ -t 0 ] && [ -t 1 ] || usage
    guest=$1
    ensure "$guest"
    work_make
    payload_make "" env TERM="$TERM" script -qec 'bash -l' /dev/null
    deadline=$((SECONDS + 30 * 86400))
    lock shared "$guest"
    machine_start "$cache/$guest" copy restore "" || failed 125
    unlock
    terminal=$(stty -g)
    stty raw -echo
    cat >"$work/out.in" </dev/tty &
    job=$!
    machine_run restore || failed $?
    machine_stop
    return "$status"
}
command_list() {
    local name dir
    printf '%-24s %-28s %s\n' GUEST KERNEL SIZE
    for name in $(awk '{ print $1 }' <<<"$guests"); do
        [ -e "$cache/$name" ] || printf '%-24s %s\n' "$name" 'not built'
        for dir in "$cache/$name" "$cache/$name"@*; do
            [ ! -e "$dir/key" ] || printf '%-24s %-28s %s\n' "${dir##*/}" "$(cat "$dir/kernel-version")" "$(du -sh "$dir" | cut -f 1)"
        done
    done
}
command_clean() {
    local name dir
    [ $# -gt 0 ] || mapfile -t -O 0 all < <(awk 'NF { print $1 }' <<<"$guests")
    for name in "${@:-${all[@]}}"; do
        for dir in "$cache/$name" "$cache/$name"@*; do
            [ -e "$dir" ] || continue
            lock exclusive "${dir##*/}"
            rm -rf "$dir"
            unlock
        done
    done
}

dir= out= limit=300 how=restore parameters= memory_wanted= status=
main() {
    local verb=${1:-}
    case $verb in
    build | run | derive | shell | list | clean) "command_$verb" "${@:2}" ;;
    *) usage ;;
    esac
}
main "$@"; exit # bash reads a script while it runs it: nothing comes after this line
