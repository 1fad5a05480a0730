#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# install.sh SOURCE-ROOT BUILD-ROOT MESON PREFIX FEATURE...: `meson install` installs exactly the files that debian/*.install
# gives to packages, each to one, with modes that fit; and the daemon takes the configuration and the examples. FEATURE: what
# this build lacks (darknet, man), with its files.
set -euo pipefail
source=$1 build=$2 meson=$3 prefix=$4
shift 4
missing=" $* "

dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT
DESTDIR=$dest "$meson" install -C "$build" --no-rebuild --quiet >"$dest.log" 2>&1 || { cat "$dest.log"; rm -f "$dest.log"; exit 1; }
rm -f "$dest.log"

bad=0
say() {
    echo "$*"
    bad=1
}

# Debian's prefix is /usr; a developer's build may have another.
installed=$(cd "$dest" && find . -type f -o -type l | sed "s|^\.$prefix/|usr/|; s|^\./||" | LC_ALL=C sort)
listed=$(for list in "$source"/debian/*.install; do
    case $(basename "$list" .install) in
    aikm-darknet) case $missing in *" darknet "*) continue ;; esac ;;
    esac
    sed '/^#/d; s/[[:space:]].*//; /^$/d' "$list"
done | LC_ALL=C sort)
case $missing in *" man "*) listed=$(grep -v '^usr/share/man/' <<<"$listed") ;; esac

twice=$(uniq -d <<<"$listed")
[ -z "$twice" ] || say "given to two packages: $twice"
globs=$(grep '[*?[]' <<<"$listed" || :)
[ -z "$globs" ] || say "a pattern, where files are to be named: $globs"
difference=$(diff <(printf '%s\n' "$listed") <(printf '%s\n' "$installed") | sed -n 's/^</named in debian\/*.install and not installed:/p; s/^>/installed and in no package:/p')
[ -z "$difference" ] || say "$difference"

while IFS= read -r f; do
    case $f in
    usr/bin/* | usr/sbin/*) want=755 ;;
    *) want=644 ;;
    esac
    path=$dest/$f
    [ -e "$path" ] || path=$dest$prefix/${f#usr/}
    mode=$(stat -c %a "$path")
    [ "$mode" = $want ] || say "$f: mode $mode, not $want"
    ! grep -qaF "$dest" "$path" || say "$f: names the folder it was installed to"
done <<<"$installed"

# The configuration as installed, and each example in the place that it is for, are ones that the daemon takes.
check_config() { AIKM_ROOT=$dest "$dest$prefix/sbin/aikmd" --check-config >/dev/null || say "$1: refused"; }
check_config "the installed configuration"
mkdir -p "$dest/etc/aikmd/policy.d"
for example in "$dest$prefix"/share/doc/aikmd/examples/*.json; do
    cp "$example" "$dest/etc/aikmd/policy.d/"
    check_config "$(basename "$example")"
    rm "$dest/etc/aikmd/policy.d"/*.json
done
[ $bad = 0 ] && echo "$(wc -l <<<"$installed") files: fine"
