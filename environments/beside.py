"""Networks for containers that stand beside the nodes: the collector's, and a mirror port."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker.types

from environments.standing import LOGHOST, UNROUTABLE_DNS, Target
from results.errors import TargetError


def no_network() -> dict[str, Any]:
    """How a container without any network is connected, as the engine's SDK spells it."""
    return {"network_mode": "none"}


def network_of(container_id: str) -> dict[str, Any]:
    """How a container joins another one's network namespace."""
    return {"network_mode": f"container:{container_id}"}


def as_loghost(target: Target) -> dict[str, Any]:
    """How a container becomes the host that the nodes send their syslog to.

    Raises:
        TargetError: the environment was stood up without a management network.
    """
    if target.management is None:
        raise TargetError("the environment was stood up without the management network that a collector needs")
    version = str(target.engine.client.api.api_version)
    endpoint = docker.types.EndpointConfig(version, aliases=[LOGHOST], ipv4_address=target.loghost)
    return {
        "network": target.management,
        "networking_config": {target.management: endpoint},
        "dns": [UNROUTABLE_DNS],
    }


@contextmanager
def mirror_port(target: Target, network: str, pid: int) -> Iterator[None]:
    """An interface `mirror0` in a container, with a copy of every frame on one of the environment's networks.

    What the container sends into it is dropped on the engine host.

    Args:
        target: the running environment.
        network: which of its networks.
        pid: of a process in the container.

    Raises:
        TargetError: there is no such network, or the kernel can't mirror.
    """
    if network not in target.networks:
        known = ", ".join(target.networks)
        raise TargetError(f"mirrors: found {network!r}; allowed: a network of this environment ({known})")
    name = target.witness.mirror(f"br-{target.networks[network][:12]}", pid)
    try:
        yield
    finally:
        if not target.witness.has_ended:
            target.witness.unmirror(name)
