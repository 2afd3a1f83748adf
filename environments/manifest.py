"""`environment.yaml`: nodes and networks, keys spelled as in Compose where Compose has them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from environments.images import DEBIAN_SUITE
from results.documents import Definition, read_document
from results.records import Slug, Text

Capability = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{2,30}$")]
Size = Annotated[str, StringConstraints(pattern=r"^\d+[kmg]?$")]


class Role(StrEnum):
    """What a node is in the story."""

    TARGET = "target"
    ATTACKER = "attacker"
    USER = "user"
    GATEWAY = "gateway"
    """Passes traffic from one network to another; a product with the placement `gateway` is layered on it."""
    SERVICE = "service"


class Healthcheck(Definition):
    """What must hold before the node is up; all that is given."""

    test: tuple[str, ...] | None = None
    """A command that exits 0 in the node. It costs a process in the node each time that it is tried."""
    listens: tuple[int, ...] = ()
    """TCP ports of the node that something listens on; looked at from outside."""
    files: tuple[str, ...] = ()
    """Paths of the node that are there; looked at from outside."""
    timeout_s: float = 30.0


class Login(Definition):
    """A user that steps may run as."""

    login_uid: int | None = None
    """Audit login uid that the user's session carries, as PAM would set it; for root: who became root."""


class Node(Definition):
    """One container."""

    role: Role
    build: str
    """Folder with the Dockerfile, relative to the environment's folder."""
    hostname: str
    networks: tuple[Slug, ...]
    aliases: dict[Slug, tuple[str, ...]] = {}
    """Network -> names by which its neighbours there find the node, as Compose's `aliases`."""
    logins: dict[str, Login]
    """Users that steps may run as."""
    command: tuple[str, ...] | None = None
    environment: dict[str, str] = {}
    cap_add: tuple[Capability, ...] = ()
    suite: str = Field(default=DEBIAN_SUITE, pattern=r"^[a-z]+$")
    """Debian release whose base image `build` gets as `BASE`."""
    boot_capabilities: tuple[Capability, ...] = ()
    """Capabilities that the node's own first process has until it gives them up for good, before the node is healthy.
    No session ever has them, and standing up proves that they are gone."""
    tmpfs: tuple[str, ...] = ()
    """Folders in memory."""
    mem_limit: Size = "1g"
    pids_limit: int = 1024
    healthcheck: Healthcheck | None = None


class Network(Definition):
    """A network without a way out."""

    internal: bool = Field(default=True)


class Environment(Definition):
    """A definition of where a plan runs."""

    id: Slug
    title: Text
    description: Text
    networks: dict[Slug, Network]
    nodes: dict[Slug, Node]


def read_environment(folder: Path) -> Environment:
    """Read `<folder>/environment.yaml`.

    Raises:
        ContentError: every problem of the file.
    """
    return read_document(folder / "environment.yaml", Environment)
