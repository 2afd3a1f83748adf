"""Removing what a killed pij left behind: containers, networks, and what its products set in the kernel."""

import json
from dataclasses import dataclass
from typing import Any

from environments.engine import NOT_ANSWERING, Engine, Say
from environments.labels import OWNER, TEARDOWN, is_alive
from environments.standing import remove_quietly, run_in


@dataclass(frozen=True)
class Swept:
    """What was removed."""

    containers: int
    networks: int
    teardowns: int
    """Products whose kernel state was undone, e.g. audit rules."""
    kept: int
    """Resources of a pij that still runs."""


def sweep(engine: Engine, say: Say, everything: bool = False) -> Swept:
    """Remove leftovers.

    Args:
        engine: where.
        say: receives one line for each thing removed.
        everything: also what belongs to a pij that still runs.
    """
    containers = engine.client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True)
    networks = engine.client.networks.list(filters={"label": OWNER})
    dead = [c for c in containers if everything or not is_alive(c.labels[OWNER])]
    torn = 0
    for container in dead:
        command = container.labels.get(TEARDOWN)
        if command and undo(engine, container, json.loads(command)):
            torn += 1
    for container in dead:
        say(f"removing container {container.short_id}")
        remove_quietly(lambda c=container: c.remove(force=True, v=True))  # type: ignore[misc]
    gone = 0
    for network in networks:
        if everything or not is_alive(network.attrs["Labels"][OWNER]):
            say(f"removing network {network.name}")
            gone += remove_quietly(network.remove)
    kept = len(containers) - len(dead) + len(networks) - gone
    return Swept(containers=len(dead), networks=gone, teardowns=torn, kept=kept)


def undo(engine: Engine, container: Any, command: list[str]) -> bool:  # noqa: ANN401
    """Run a component's teardown: in its container if that still runs, else in a new one of the same image."""
    try:
        container.reload()
        if container.status == "running":
            code, _output = run_in(engine, str(container.id), command)
            return code == 0
        settings = container.attrs["HostConfig"]
        engine.client.containers.run(
            container.attrs["Image"],
            entrypoint=command[0],
            command=command[1:],
            pid_mode=settings.get("PidMode") or None,
            cap_drop=["ALL"],
            cap_add=settings.get("CapAdd") or [],
            network_mode="none",
            labels={OWNER: container.labels[OWNER]},
            remove=True,
        )
    except NOT_ANSWERING:
        return False
    return True
