"""Where a component runs: which node it sits in or watches, and what that node must lend it."""

from collections.abc import Iterable, Mapping

from environments.manifest import Node, Role
from environments.standing import NodeExtra, Target
from products.manifest import Component, NetworkAccess, Placement

IN_NODE = (Placement.NODE, Placement.GATEWAY)
"""Placements that are layered on a node's image and run in that node's container."""


def is_in_node(component: Component) -> bool:
    """Whether it runs in a node's container, under that node's limits and with that node's rights."""
    return component.placement in IN_NODE


def node_of(component: Component, nodes: Mapping[str, Node]) -> str | None:
    """The node that a component sits in or watches; None if the environment has no such node.

    A gateway finds its node by the role, so that one product fits every environment that has a gateway.
    """
    if component.placement is Placement.GATEWAY:
        return next((name for name, node in nodes.items() if node.role is Role.GATEWAY), None)
    if component.placement is Placement.COLLECTOR:
        return None
    return named(component.node, nodes)


def named(wanted: str, nodes: Mapping[str, Node]) -> str | None:
    """The node of that name, else the first node with that role, so that a product fits many environments."""
    if wanted in nodes:
        return wanted
    return next((name for name, node in nodes.items() if node.role == wanted), None)


def mirrored_network(component: Component, nodes: Mapping[str, Node]) -> str | None:
    """The network whose frames a mirror port copies: the one declared, or the first network of the watched node."""
    if component.network is not NetworkAccess.MIRROR:
        return None
    watched = named(component.node, nodes)
    return component.mirrors or (nodes[watched].networks[0] if watched is not None else None)


def addresses_by_name(target: Target) -> dict[str, str]:
    """`<node or role>_addresses` -> every address of those nodes, with blanks between; empty if there is none."""
    found = {f"{role}_addresses": "" for role in Role}
    for name, node in target.nodes.items():
        for key in sorted({f"{name}_addresses", f"{node.definition.role}_addresses"}):
            found[key] = " ".join([*found.get(key, "").split(), *node.addresses])
    return found


def shares_network(component: Component) -> bool:
    """Whether it lives in a node's network namespace."""
    return is_in_node(component) or (
        component.placement is Placement.SENSOR and component.network is NetworkAccess.NODE
    )


def has_collector(components: Iterable[Component]) -> bool:
    """Whether the nodes must be given a network on which they reach a collector."""
    return any(component.placement is Placement.COLLECTOR for component in components)


def extras_of(components: Iterable[Component], nodes: Mapping[str, Node]) -> dict[str, NodeExtra]:
    """Node -> what the components in it need beyond the node's own rights."""
    found: dict[str, NodeExtra] = {}
    for component in components:
        node = node_of(component, nodes) if is_in_node(component) else None
        if node is None:
            continue
        before = found.get(node, NodeExtra())
        asked = {need.capability for need in component.capabilities}
        found[node] = NodeExtra(
            tuple(sorted({*before.capabilities, *asked})),
            before.seccomp_unconfined or component.seccomp_unconfined,
        )
    return found
