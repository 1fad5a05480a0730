#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# analysis.sh SOURCE-ROOT BUILD-DIR cppcheck|clang-tidy|fanalyzer: static analysis of every C file that the build compiles.
set -euo pipefail
root=$(realpath "$1") build=$(realpath "$2")
cd "$root"
# Own sources only; tests have their own ways (cmocka's longjmp confuses all three).
mapfile -t files < <(python3 - "$build" "$root" <<'PY'
import json, os, sys
build, root = sys.argv[1:]
seen = set()
for c in json.load(open(os.path.join(build, 'compile_commands.json'))):
    f = os.path.relpath(os.path.realpath(os.path.join(c['directory'], c['file'])), root)
    if f.split('/')[0] in ('util', 'collectors', 'models', 'policy', 'daemon', 'cli', 'record') and f.endswith('.c'):
        seen.add(f)
print('\n'.join(sorted(seen)))
PY
)
[ -n "${files[0]:-}" ] || { echo "analysis.sh: $build compiles nothing of $root" >&2; exit 1; }
# Each release finds something else. These are the ones that the sources are kept clean under: Debian 12's.
case ${3:-} in
cppcheck) reference='Cppcheck 2\.10' told=$(cppcheck --version) ;;
clang-tidy) reference='LLVM version 14\.' told=$(clang-tidy --version | grep version) ;;
fanalyzer) reference='^12' told=$(gcc -dumpversion) ;;
*) echo "analysis.sh: unknown tool ${3:-}" >&2; exit 2 ;;
esac
grep -q "$reference" <<<"${told:-}" || { echo "skipped: $3 is of ${told:-no release}, and what is judged by is that of Debian 12"; exit 77; }
case $3 in
cppcheck)
    cppcheck --quiet --std=c11 --error-exitcode=1 --enable=warning,portability --inline-suppr -j "$(nproc)" -I . -D_GNU_SOURCE -DHAVE_BPF=1 -DHAVE_TOP=1 \
        '-DLIBBPF_OPTS(type,name,...)=struct type name = {__VA_ARGS__}' --suppress=missingIncludeSystem --suppressions-list=tests/check/cppcheck-suppressions "${files[@]}"
    ;;
clang-tidy)
    printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$build" \
        --extra-arg=-Wno-unknown-warning-option 2>/dev/null # flags that gcc alone knows
    ;;
fanalyzer)
    # The compile commands as they are, with the analyzer on; its warnings are errors. Two of them are wrong too often:
    # malloc-leak does not follow ownership through containers (ASan and valgrind do), shift-count-overflow takes the bits of a
    # vector's lane for those of its last operand. With cleanup functions inlined it loses what their variables were set to.
    python3 - "$build" "$root" "${files[@]}" <<'PY'
import concurrent.futures, json, os, shlex, subprocess, sys
build, root, files = sys.argv[1], sys.argv[2], set(sys.argv[3:])
def run(c):
    a = shlex.split(c['command'])
    o = a.index('-o')
    a[o + 1] = '/dev/null'
    a = [x for x in a if not x.startswith(('-MF', '-MQ', '-MD')) and not x.endswith('.o.d')]
    a = [x for i, x in enumerate(a) if not (x.endswith('.o') and a[i - 1] != '-o')]
    r = subprocess.run(a + ['-fanalyzer', '-Werror', '-Wno-analyzer-malloc-leak', '-Wno-analyzer-shift-count-overflow',
                            '-fno-early-inlining', '-fdiagnostics-color=never'], cwd=c['directory'], capture_output=True, text=True)
    return r.returncode, r.stderr
todo = {}
for c in json.load(open(os.path.join(build, 'compile_commands.json'))):
    f = os.path.relpath(os.path.realpath(os.path.join(c['directory'], c['file'])), root)
    if f in files:
        todo.setdefault(f, c)
bad = 0
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for code, err in pool.map(run, todo.values()):
        if code:
            bad += 1
            print(err)
print(f'{len(todo)} files analysed, {bad} with findings')
sys.exit(1 if bad else 0)
PY
    ;;
esac
echo "$3: ${#files[@]} files, nothing found"
