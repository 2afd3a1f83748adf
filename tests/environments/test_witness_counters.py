"""Counters of containers as the kernel's files say them; `Total 0` and a missing file are no amount."""

import importlib.util
import os
from pathlib import Path

import pytest

from results.paths import ROOT

BYTES = "blkio.throttle.io_service_bytes"
NOTHING = "Total 0\n"
SOME = (
    "254:0 Read 4096\n254:0 Write 512\n254:0 Sync 4608\n254:0 Async 0\n254:0 Discard 0\n254:0 Total 4608\nTotal 4608\n"
)
PLACE = "docker/abc"


@pytest.fixture
def counters(monkeypatch, tmp_path):
    """The module as the witness's container has it, over a folder instead of the engine host's cgroups."""
    path = ROOT / "environments" / "witness_image" / "counters.py"
    spec = importlib.util.spec_from_file_location("counters", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "CGROUP", str(tmp_path))
    monkeypatch.setattr(module, "PROC", str(tmp_path / "proc"))
    return module


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def version_1(folder: Path, root: str, own: str) -> dict[str, str]:
    """A container's groups in cgroup v1; the text of the root group's and of its own counter of the disk."""
    write(
        folder,
        {
            f"cpuacct/{PLACE}/cpuacct.usage": "1500000000\n",
            f"memory/{PLACE}/memory.usage_in_bytes": "2048\n",
            f"memory/{PLACE}/memory.max_usage_in_bytes": "4096\n",
            f"memory/{PLACE}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
            f"pids/{PLACE}/pids.events": "max 3\n",
            f"blkio/{BYTES}": root,
            f"blkio/{BYTES}_recursive": root,
            f"blkio/{PLACE}/{BYTES}": NOTHING,
            f"blkio/{PLACE}/{BYTES}_recursive": own,
        },
    )
    return {name: f"{folder}/{name}/{PLACE}" for name in ("cpuacct", "memory", "pids", "blkio")}


def version_2(folder: Path, disks: str | None) -> dict[str, str]:
    """A container's group in cgroup v2; None for a disk controller that is off."""
    own = {
        "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
        "memory.current": "2048\n",
        "memory.peak": "4096\n",
        "memory.events": "low 0\nhigh 0\nmax 0\noom 1\noom_kill 1\n",
        "pids.events": "max 3\n",
        "cgroup.controllers": "cpu memory pids\n" if disks is None else "cpu io memory pids\n",
    }
    write(folder / PLACE, own if disks is None else own | {"io.stat": disks})
    return {"": f"{folder}/{PLACE}"}


REST = {"cpu_s": 1.5, "memory": 2048, "memory_peak": 4096, "oom_kills": 1, "forks_refused": 3}


def test_version_1_says_nothing_of_disks_where_even_the_root_group_has_none(counters, tmp_path):
    """`Total 0` stands there whatever is written: taken for an amount, every product would cost no disk at all."""
    found = counters.counters_of(version_1(tmp_path, NOTHING, NOTHING))
    assert found == REST | {"disk_read": None, "disk_write": None}


def test_version_1_says_nothing_of_disks_whose_rows_hold_no_byte(counters, tmp_path):
    """Some kernels list the disk, and count it only once it has a limit."""
    idle = "254:0 Read 0\n254:0 Write 0\n254:0 Total 0\nTotal 0\n"
    assert counters.counters_of(version_1(tmp_path, idle, idle))["disk_read"] is None


def test_version_1_counts_reads_where_the_root_group_does_and_never_buffered_writes(counters, tmp_path):
    """The kernel's own threads write what was buffered, in the root group: what is left is no amount."""
    found = counters.counters_of(version_1(tmp_path, SOME, SOME))
    assert found == REST | {"disk_read": 4096, "disk_write": None}


def test_version_1_knows_zero_where_others_have_read(counters, tmp_path):
    assert counters.counters_of(version_1(tmp_path, SOME, NOTHING))["disk_read"] == 0


def test_version_1_without_its_disk_controller_says_nothing(counters, tmp_path):
    groups = version_1(tmp_path, SOME, SOME)
    del groups["blkio"]
    assert counters.counters_of(groups)["disk_read"] is None


def test_version_2_counts_reads_and_writes_over_all_disks(counters, tmp_path):
    disks = "254:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=0 dios=0\n254:16 \n7:0 rbytes=4 wbytes=8 rios=1 wios=1\n"
    found = counters.counters_of(version_2(tmp_path, disks))
    assert found == REST | {"disk_read": 4100, "disk_write": 520}


def test_version_2_knows_zero_before_the_first_byte(counters, tmp_path):
    found = counters.counters_of(version_2(tmp_path, ""))
    assert (found["disk_read"], found["disk_write"]) == (0, 0)


def test_version_2_says_nothing_of_disks_where_the_controller_is_off(counters, tmp_path):
    assert counters.counters_of(version_2(tmp_path, None)) == REST | {"disk_read": None, "disk_write": None}


OWN = "/system.slice/docker-abc.scope"
MOUNTS = """\
512 500 0:59 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
519 512 0:23 {seen} /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate
"""


def first_process(folder: Path, group: str, seen: str) -> None:
    """A container's first process in cgroup v2: the group that it is in, and the group that is mounted for it."""
    write(folder / "proc/42", {"cgroup": f"0::{group}\n", "mountinfo": MOUNTS.format(seen=seen)})


def test_version_2_counts_the_whole_container_where_its_first_process_has_moved_below(counters, tmp_path):
    """systemd moves into `init.scope`: counted there, a server would cost next to nothing."""
    first_process(tmp_path, f"{OWN}/init.scope", OWN)
    assert counters.groups_of(42) == {"": f"{tmp_path}{OWN}"}


@pytest.mark.parametrize("seen", [OWN, "/", "/system.slice/docker-ab", "/../docker-other.scope"])
def test_version_2_counts_the_group_of_the_first_process_else(counters, tmp_path, seen):
    """Also where the engine host's whole tree is mounted: that is not the container's."""
    first_process(tmp_path, OWN, seen)
    assert counters.groups_of(42) == {"": f"{tmp_path}{OWN}"}


def test_a_deleted_file_counts_also_where_a_process_in_a_group_further_below_holds_it(counters, tmp_path):
    """In cgroup v2 a container that runs systemd has no process in its own group: a product could hide there."""
    first_process(tmp_path, f"{OWN}/init.scope", OWN)
    write(tmp_path / OWN.lstrip("/"), {"cgroup.procs": "", "system.slice/web.service/cgroup.procs": "77\n"})
    folder = tmp_path / "proc/77/fd"
    folder.mkdir(parents=True)
    with (tmp_path / "held").open("wb") as file:
        file.write(b"x" * 8192)
        file.flush()
        os.fsync(file.fileno())
        (folder / "3").symlink_to(f"/proc/{os.getpid()}/fd/{file.fileno()}")
        (tmp_path / "held").unlink()
        assert counters.held_open(42) == 8192
