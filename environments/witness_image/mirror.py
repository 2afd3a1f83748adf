"""A mirror port: a copy of every frame on a bridge, for a container that can't send anything back.

The kernel copies (tc, action mirred): what each node sends into the bridge goes, too, to one end of a pair of virtual
interfaces, whose other end is the container's `mirror0`. The bridge itself goes on as it is. What the container sends
is dropped where it comes out, before the engine host's network sees it.
"""

import os
import secrets
import subprocess

CLONE_NEWNET = 0x40000000
INSIDE = "mirror0"
ALL = ("protocol", "all", "u32", "match", "u32", "0", "0")
DROPS = (
    (*ALL, "action", "drop"),
    # Kernels without that action: a classic BPF program of one instruction, "return 2" (TC_ACT_SHOT).
    ("protocol", "all", "bpf", "direct-action", "bytecode", "1,6 0 0 2"),
)


class Failed(Exception):
    """The kernel or its tools refused."""


def connect(bridge, pid):
    """Give the container of `pid` a mirror port of a bridge; answers the host's end's name."""
    name = f"mp{secrets.token_hex(5)}"
    inside = f"mi{secrets.token_hex(5)}"
    ports = sorted(os.listdir(f"/sys/class/net/{bridge}/brif"))
    run("ip", "link", "add", name, "type", "veth", "peer", "name", inside)
    try:
        # Nodes hand the bridge frames of up to 64 KiB, which only exist inside a kernel; a copy is cut as on a wire.
        run("ip", "link", "set", name, "gso_max_segs", "1")
        for one in (name, inside):  # neither says anything by itself
            run("ip", "link", "set", one, "addrgenmode", "none")
        run("tc", "qdisc", "add", "dev", name, "clsact")
        drop(name)
        run("ip", "link", "set", name, "up")
        run("ip", "link", "set", inside, "netns", str(pid), "name", INSIDE)
        within(pid, lambda: [run("ip", "link", "set", INSIDE, *how) for how in (("addrgenmode", "none"), ("up",))])
        for port in ports:
            if "clsact" not in run("tc", "qdisc", "show", "dev", port):
                run("tc", "qdisc", "add", "dev", port, "clsact")
            run(
                "tc", "filter", "add", "dev", port, "ingress", *ALL, "action", "mirred", "egress", "mirror", "dev", name
            )
    except Failed:
        remove(name)
        raise
    return {"name": name, "ports": len(ports)}


def drop(name):
    """Drop whatever comes out of the host's end.

    Raises:
        Failed: the kernel knows no way; then there is no mirror port.
    """
    complaints = []
    for way in DROPS:
        try:
            run("tc", "filter", "add", "dev", name, "ingress", *way)
            return
        except Failed as error:
            complaints.append(str(error))
    raise Failed("; ".join(complaints))


def remove(name):
    """Remove a mirror port; the copying rules go with their interfaces."""
    if os.path.exists(f"/sys/class/net/{name}"):
        run("ip", "link", "delete", name)
    return {}


def within(pid, work):
    """Do something in the network namespace of a process."""
    child = os.fork()
    if child == 0:
        try:
            os.setns(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY), CLONE_NEWNET)
            work()
        except (OSError, Failed) as error:
            os.write(2, f"{error}\n".encode())
            os._exit(1)
        os._exit(0)
    _pid, code = os.waitpid(child, 0)
    if code:
        raise Failed(f"{INSIDE} could not be set up in the container")


def run(*command):
    """Run a tool of iproute2; answers what it printed."""
    try:
        done = subprocess.run(  # noqa: S603  # names are the engine's and our own
            command, capture_output=True, text=True, check=False, timeout=10
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(str(error)) from error
    if done.returncode:
        raise Failed(f"`{' '.join(command)}`: {done.stderr.strip()[-300:]}")
    return done.stdout
