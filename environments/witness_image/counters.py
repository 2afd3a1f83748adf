"""What containers take and what is in their files: cgroup counters, bytes on disk, files as they were at one moment."""

import base64
import hashlib
import os
import stat

CGROUP = "/cgroup"
"""The engine host's, read-only."""
PROC = "/proc"
"""The engine host's, too."""
GRAPH = "/graph"
"""Where the engine's folder is, read-only."""
READ_FILES_CAP = 16 << 20
READINGS = 5


def usage(request):
    """Counters of containers, by the cgroup and the network namespace of their first process."""
    found = {}
    for name, pid in request["pids"].items():
        counters = counters_of(groups_of(pid))
        if counters["cpu_s"] is not None and counters["memory"] is not None:
            found[name] = counters | traffic(pid)
    return {"usage": found}


def groups_of(pid):
    """Controller -> folder of a process's cgroup; '' for cgroup v2's only one. Empty if it is gone."""
    try:
        with open(f"{PROC}/{pid}/cgroup") as file:
            rows = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return {}
    paths = {controller: path for _number, names, path in rows for controller in names.split(",")}
    if "memory" not in paths and "" in paths:
        return {"": CGROUP + outermost(pid, paths[""])}
    return {name: f"{CGROUP}/{name}{path}" for name, path in paths.items() if name}


def outermost(pid, path):
    """Path of the whole container's group in cgroup v2.

    A first process that is systemd has moved into a group of its own below it, and so has everything that it started.
    What the container sees mounted begins at its own group; with the engine host's whole tree mounted nothing is known.
    """
    mounts = [row.split(" - ") for row in lines(f"{PROC}/{pid}/mountinfo")]
    roots = [mount[0].split()[3] for mount in mounts if mount[-1].startswith("cgroup2 ")]
    above = [root for root in roots if root != "/" and f"{path}/".startswith(f"{root}/")]
    return min(above, key=len, default=path)


def counters_of(groups):
    """Counters in cgroup v2 (one group named '') or v1 (a group a controller); None for what the kernel lacks."""
    if "" in groups:
        own = groups[""]
        events, pids = table(f"{own}/memory.events"), table(f"{own}/pids.events")
        disks = lines_of(f"{own}/io.stat")  # not there where the controller is off; empty before the first byte
        blocks = [field.split("=") for row in disks or () for field in row.split()[1:]]
        spent = table(f"{own}/cpu.stat").get("usage_usec")
        return {
            "cpu_s": None if spent is None else spent / 1e6,
            "memory": number(f"{own}/memory.current"),
            "memory_peak": number(f"{own}/memory.peak"),
            "disk_read": None if disks is None else summed(blocks, "rbytes"),
            "disk_write": None if disks is None else summed(blocks, "wbytes"),
            "oom_kills": events.get("oom_kill"),
            "forks_refused": pids.get("max"),
        }
    memory = groups.get("memory", "")
    spent = number(f"{groups.get('cpuacct', '')}/cpuacct.usage")
    return {
        "cpu_s": None if spent is None else spent / 1e9,
        "memory": number(f"{memory}/memory.usage_in_bytes"),
        "memory_peak": number(f"{memory}/memory.max_usage_in_bytes"),
        "disk_read": disk_read(groups["blkio"], f"{CGROUP}/blkio") if "blkio" in groups else None,
        "disk_write": None,  # the kernel's threads write what was buffered, in the root group: see its own blkio manual
        "oom_kills": table(f"{memory}/memory.oom_control").get("oom_kill"),
        "forks_refused": table(f"{groups.get('pids', '')}/pids.events").get("max"),
    }


def disk_read(group, root):
    """Bytes that a group of cgroup v1, and those below it, have read from disks; None where the kernel counts none.

    The file is there and says `Total 0` also where nothing is counted (newer kernels count a disk once it has a limit).
    So it is believed only where the root group has a disk with bytes: no machine runs without having read any.
    `/proc/<pid>/io` is no way out: it lacks processes that are still there, or that somebody else has waited for.
    """
    per_disk = [table_of_disks(f"{root}/blkio.throttle.io_service_bytes{ending}") for ending in ("", "_recursive")]
    if not any(int(amount) for rows in per_disk for _kind, amount in rows or ()):
        return None
    own = table_of_disks(f"{group}/blkio.throttle.io_service_bytes_recursive")
    if own is None:  # older kernels
        own = table_of_disks(f"{group}/blkio.throttle.io_service_bytes")
    return None if own is None else summed(own, "Read")


def table_of_disks(path):
    """(kind, bytes) of each `disk kind bytes` line of a file of the kernel's; None if it is not there."""
    rows = lines_of(path)
    return None if rows is None else [row.split()[1:] for row in rows if len(row.split()) == 3]


def lines(path):
    """Lines of a small file of the kernel's; none if it is not there."""
    return lines_of(path) or []


def lines_of(path):
    """The same; None if it is not there, or can't be read."""
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return None


def number(path):
    """The number in a file of the kernel's; None if it is not there."""
    text = "".join(lines(path)).strip()
    return int(text) if text.isdigit() else None


def table(path):
    """`name number` lines of a file of the kernel's."""
    rows = [row.split() for row in lines(path)]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def summed(pairs, wanted):
    """The sum over all disks of one kind of bytes."""
    return sum(int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == wanted)


def traffic(pid):
    """Bytes over all interfaces of a process's network namespace but the loopback."""
    rows = [row.replace(":", " ").split() for row in lines(f"{PROC}/{pid}/net/dev")[2:]]
    rows = [row for row in rows if row[0] != "lo"]
    return {"network_in": sum(int(row[1]) for row in rows), "network_out": sum(int(row[9]) for row in rows)}


def weigh(request):
    """Bytes on disk of folders of the engine's, and of files that a container's processes hold open but deleted."""
    found = {}
    for name, where in request["containers"].items():
        folders = [size_below(GRAPH + folder) for folder in where["folders"]]
        found[name] = sum(folders) + held_open(where["pid"])
    return {"bytes": found}


def size_below(folder):
    """Bytes that the files below a folder take on disk."""
    total, waiting = 0, [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    state = entry.stat(follow_symlinks=False)
                    total += state.st_blocks * 512
                    if stat.S_ISDIR(state.st_mode):
                        waiting.append(entry.path)
        except OSError:
            continue
    return total


def held_open(pid):
    """Bytes of deleted files that the processes of a container still hold open."""
    groups = groups_of(pid)
    own = groups.get("", groups.get("pids", groups.get("memory")))
    found = {}
    for member in members(own) if own else ():
        try:
            for descriptor in os.scandir(f"{PROC}/{member}/fd"):
                state = os.stat(descriptor.path)
                if stat.S_ISREG(state.st_mode) and not state.st_nlink:
                    found[state.st_dev, state.st_ino] = state.st_blocks * 512
        except OSError:
            continue
    return sum(found.values())


def members(group):
    """Pids of a group and of those below it: in cgroup v2 a group that has others below it holds none itself."""
    return [pid for folder, _folders, _files in os.walk(group) for pid in lines(f"{folder}/cgroup.procs")]


def read_files(request):
    """Files of a container that belong together, as they were at one moment; nothing if they are as known.

    They are read twice: what is the same both times was not being written.
    """
    os.chroot(f"{PROC}/{request['pid']}/root")
    os.chdir("/")
    paths = [request["path"] + part for part in request["parts"]]
    for _attempt in range(READINGS):
        files = [whole(path) for path in paths]
        if files[0] is None:
            return {"digest": None, "files": None}
        if sum(len(data) for data in files if data) > READ_FILES_CAP:
            return {"error": f"more than {READ_FILES_CAP} bytes"}
        digest = digest_of(files)
        if digest == digest_of([whole(path) for path in paths]):
            break
    else:
        return {"error": "it is written all the time"}
    if digest == request["known"]:
        return {"digest": digest, "files": None}
    encoded = [None if data is None else base64.b64encode(data).decode() for data in files]
    return {"digest": digest, "files": dict(zip(request["parts"], encoded, strict=True))}


def whole(path):
    """A regular file's bytes up to the cap; None if it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(READ_FILES_CAP + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def digest_of(files):
    """SHA-256 over files, missing ones told from empty ones."""
    digest = hashlib.sha256()
    for data in files:
        digest.update(b"-" if data is None else b"%d:" % len(data) + data)
    return digest.hexdigest()
