# SPDX-License-Identifier: GPL-2.0-or-later
"""A scene: a victim, its load and hogs in namespaces of their own, started, watched from outside through /proc, and ended as a whole."""
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import figures

HERE = pathlib.Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
POLICIES = {os.SCHED_OTHER: "OTHER", os.SCHED_BATCH: "BATCH", os.SCHED_IDLE: "IDLE", os.SCHED_FIFO: "FIFO", os.SCHED_RR: "RR"}
# Whatever runs in it ends when the bench does, however that ends.
NAMESPACE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")


class Failed(Exception):
    """A cell that could not be measured; the message is for people."""


def read(path):
    """What a file of /proc holds; nothing where its process is gone."""
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""


def tree(root):
    """The processes at and below root, children behind their parents."""
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read(f"/proc/{name}/stat")
            if stat:
                children[int(stat.rpartition(")")[2].split()[1])].append(int(name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def threads(pids):
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for name in names:
            yield int(name)


def cpu_seconds(pids):
    """What processes and the children that they have reaped have used."""
    total = 0
    for pid in pids:
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        total += sum(int(f) for f in fields[11:15])
    return total / TICKS


def waits(pids):
    """{pid: (seconds waited for a CPU, time slices)} of all threads of each."""
    found = {}
    for pid in pids:
        delay = slices = 0
        for tid in threads([pid]):
            fields = read(f"/proc/{pid}/task/{tid}/schedstat").split()
            if len(fields) == 3:
                delay += int(fields[1]) / 1e9
                slices += int(fields[2])
        found[pid] = (delay, slices)
    return found


def worst_wait(before, after, seconds):
    """Of the process that waited most: (seconds a second, µs a time slice)."""
    waited = [((after[pid][0] - before[pid][0]) / seconds, after[pid][1] - before[pid][1]) for pid in after if pid in before]
    share, slices = max(waited, default=(0.0, 0))
    return share, share * seconds / slices * 1e6 if slices > 0 else 0.0


def moved_bytes(pids, field):
    total = 0
    for pid in pids:
        found = re.search(rf"^{field}: (\d+)", read(f"/proc/{pid}/io"), re.M)
        total += int(found[1]) if found else 0
    return total


def autogroup(pid):
    """(number, nice), or None where there are none."""
    found = re.match(r"/autogroup-(\d+) nice (-?\d+)", read(f"/proc/{pid}/autogroup"))
    return (int(found[1]), int(found[2])) if found else None


def scheduling(pids):
    """How many threads have which policy, nice value, and nice value of their session: '6 OTHER/19, 1 OTHER/0 session 19'."""
    counted = collections.Counter()
    for pid in pids:
        group = autogroup(pid)
        session = f" session {group[1]}" if group and group[1] else ""
        moved = [line for line in read(f"/proc/{pid}/cgroup").splitlines() if "/aikm" in line]
        inside = f" in {moved[0].rpartition(':')[2]}" if moved else ""
        for tid in threads([pid]):
            try:
                policy = os.sched_getscheduler(tid)
                nice = os.getpriority(os.PRIO_PROCESS, tid)
            except OSError:
                continue
            counted[f"{POLICIES.get(policy, policy)}/{nice}{session}{inside}"] += 1
    return ", ".join(f"{n} {what}" for what, n in sorted(counted.items()))


def machine_busy():
    """Seconds of CPU that were not idle since the boot, stolen ones among them."""
    fields = [int(f) for f in read("/proc/stat").splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


class Scene:
    """folder: on a disk, for what programs store; memory: on a tmpfs, for what is measured, so that to measure is no I/O."""

    def __init__(self, folder, memory, tools, data, victim, hog, session):
        self.folder, self.memory, self.victim, self.hog = pathlib.Path(folder), pathlib.Path(memory), victim, hog
        self.folder.mkdir(parents=True, mode=0o755)
        self.memory.mkdir(mode=0o777)
        self.memory.chmod(0o777)
        os.mkfifo(self.folder / "go")
        os.mkfifo(self.folder / "begin")
        environment = {"PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin", "D": str(data), "M": str(memory), "LC_ALL": "C.UTF-8", "VICTIM": victim.start,
                       "LOAD": victim.load, "HOG": hog.start if hog else ""}
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*NAMESPACE, "--net", str(HERE / "scene.sh"), session if hog else "none"],
                cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.root = self.process.pid
        self.hogs = None

    def wait_for(self, name, seconds=30):
        end = time.monotonic() + seconds
        while not (self.folder / name).exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed("the scene did not start: " + self.complaint())
            time.sleep(0.02)

    def wait_serves(self):
        """Until the victim can be asked."""
        self.wait_for("serves")

    def start_hogs(self):
        (self.folder / "begin").write_text("\n")
        self.wait_for("hogs")
        if self.hog:
            inside = (self.folder / "hogs").read_text().strip()
            found = [pid for pid in tree(self.root) if re.search(rf"^NSpid:.*\t{inside}$", read(f"/proc/{pid}/status"), re.M)]
            if not found:
                raise Failed("the hogs ended at once: " + self.complaint())
            self.hogs = found[0]

    def complaint(self):
        lines = read(self.folder / "log").strip().splitlines()
        return lines[-1] if lines else "no message"

    def hog_pids(self):
        return tree(self.hogs) if self.hogs else []

    def victim_pids(self):
        hogs = set(self.hog_pids())
        return [pid for pid in tree(self.root) if pid not in hogs]

    def alive(self):
        if self.process.poll() is not None:
            raise Failed("the scene ended: " + self.complaint())
        if self.hogs and not os.path.exists(f"/proc/{self.hogs}"):
            raise Failed("the hogs ended: " + self.complaint())

    def progress(self):
        """Of the hogs, in units that only grow: (time, work, CPU seconds), and CPU seconds of all of the scene."""
        # What a process did is its parent's from when that has reaped it: one that ends meanwhile would be counted twice.
        for _ in range(5):
            pids = self.hog_pids()
            told = time.monotonic(), self.work(pids), cpu_seconds(reversed(pids)), cpu_seconds(tree(self.root))
            if self.hog_pids() == pids:
                break
        return told

    def work(self, pids):
        if not self.hog:
            return 0.0
        if self.hog.work in ("read", "written"):
            return moved_bytes(reversed(pids), "rchar" if self.hog.work == "read" else "wchar")
        if self.hog.work == "count":
            count = self.folder / "hog/count"
            return count.stat().st_size if count.exists() else 0
        return cpu_seconds(reversed(pids))

    def bogo_rate(self):
        """Bogo operations a second of CPU, told by stress-ng as it ends. The scene is over then."""
        pids = self.hog_pids()
        # Demoted, it would need long to end on a busy machine.
        for tid in threads(pids):
            os.sched_setscheduler(tid, os.SCHED_OTHER, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, tid, 0)
        os.kill(pids[0], signal.SIGTERM)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = re.search(r"bogo-ops-per-second-usr-sys-time: ([\d.]+)", read(self.folder / "hog/metrics"))
            if found:
                return float(found[1])
            time.sleep(0.05)
        raise Failed("stress-ng told no metrics")

    def measure(self, seconds):
        """Latencies in µs of what was due in the next seconds, how many were due and how many went wrong; percentiles alone for wrk."""
        return READERS[self.victim.read](self, seconds)

    def end(self):
        self.process.kill()
        self.process.wait()
        remove(self.folder)
        remove(self.memory)

    def wait_result(self, seconds):
        result = self.memory / "result"
        end = time.monotonic() + seconds
        while not result.exists():
            self.alive()
            if time.monotonic() > end:
                raise Failed("the client told no result: " + self.complaint())
            time.sleep(0.05)
        return result.read_text()

    def open_window(self, seconds):
        try:
            fifo = os.open(self.folder / "go", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as e:
            raise Failed("the client is not there: " + self.complaint()) from e
        os.write(fifo, f"{seconds}\n".encode())
        os.close(fifo)
        time.sleep(seconds)


def remove(folder, seconds=10):
    """The last processes of a namespace die a moment after its first, and may still write."""
    for _ in range(seconds * 20):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.05)


def of_latencies(latencies, due, bad):
    return {"p50": figures.percentile(latencies, 0.5), "p99": figures.percentile(latencies, 0.99),
            "p999": figures.percentile(latencies, 0.999), "max": max(latencies, default=0), "n": len(latencies), "due": due, "bad": bad}


def read_client(scene, seconds):
    scene.open_window(seconds)
    yield
    lines = scene.wait_result(20).split("\n")
    due, answered, bad = (int(f) for f in lines[0].split())
    yield of_latencies([float(line) for line in lines[1:] if line], due, bad + due - answered)


def read_wrk(scene, seconds):
    whole = max(1, round(seconds))  # what it takes
    scene.open_window(whole)
    yield
    found = re.search(r"^AIKM (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", scene.wait_result(20), re.M)
    if not found:
        raise Failed("wrk told no latencies")
    n, bad, p50, p99, p999, worst = (int(f) for f in found.groups())
    yield {"p50": p50, "p99": p99, "p999": p999, "max": worst, "n": n, "due": n, "bad": bad}


def pgbench_lines(folder):
    """(due, latency) of each transaction, µs since the epoch and µs; a last line may not be whole."""
    for log in folder.glob("log.*"):
        for line in read(log).split("\n")[:-1]:
            fields = line.split()
            if len(fields) >= 6 and fields[2].isdigit():
                latency = int(fields[2])
                yield int(fields[4]) * 1000000 + int(fields[5]) - latency, latency


def read_pgbench(scene, seconds):
    start = time.time() * 1e6
    time.sleep(seconds)
    yield
    stop = start + seconds * 1e6
    end = time.monotonic() + 5
    # It writes its log a page at a time.
    while time.monotonic() < end and max((due for due, _ in pgbench_lines(scene.memory)), default=0) < stop:
        scene.alive()
        time.sleep(0.2)
    latencies = [latency for due, latency in pgbench_lines(scene.memory) if start <= due < stop]
    if not latencies:
        raise Failed("pgbench logged nothing")
    yield of_latencies(latencies, len(latencies), 0)


def read_cyclictest(scene, seconds):
    samples = scene.memory / "samples"
    start = samples.stat().st_size
    time.sleep(seconds)
    yield
    time.sleep(0.3)  # it writes a page at a time
    with open(samples, "rb") as f:
        f.seek(start)
        text = f.read().decode()
    latencies = [float(found[1]) for found in re.finditer(r"^\s*0:\s*\d+:\s*(\d+)\n", text, re.M)]
    if not latencies:
        raise Failed("cyclictest told nothing: " + scene.complaint())
    yield of_latencies(latencies, round(seconds * 1000), 0)


READERS = {"client": read_client, "wrk": read_wrk, "pgbench": read_pgbench, "cyclictest": read_cyclictest}
