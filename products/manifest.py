"""`product.yaml`: everything the pipeline knows about a product. No Python of a product runs on the host."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, field_validator

from environments.manifest import Capability, Size
from products.mapping import resolved
from products.source import CommandPoll as CommandPoll
from products.source import Format as Format
from products.source import HttpPoll as HttpPoll
from products.source import PidNamespace as PidNamespace
from products.source import Source as Source
from products.source import SqliteTable as SqliteTable
from products.source import SyslogListener as SyslogListener
from products.source import Transport as Transport
from products.source import Webhook as Webhook
from results.documents import Definition, Lines, load_yaml, read_document
from results.errors import ContentError, Problem
from results.records import Slug, TechniqueId, Text


class Placement(StrEnum):
    """Where a component runs."""

    NODE = "node"
    """In the node: its Dockerfile is layered on the node's image (`ARG BASE`)."""
    SENSOR = "sensor"
    """In a container of its own beside the nodes."""
    GATEWAY = "gateway"
    """In the environment's node with `role: gateway`, in the path of the traffic; layered on that node's image."""
    COLLECTOR = "collector"
    """In a container of its own, to which the nodes send their syslog; the nodes know it as `loghost`."""


class NetworkAccess(StrEnum):
    """What a sensor sees of the network. A collector has the management network, the rest their node's."""

    NONE = "none"
    NODE = "node"
    """The network namespace of its node: it sees what the node sends and receives."""
    MIRROR = "mirror"
    """A copy of every frame on one of the environment's networks, as from a switch's mirror port; it can't answer."""


class ProductClass(StrEnum):
    """What kind of product it is."""

    ANTI_MALWARE = "anti_malware"
    BEHAVIOUR_DETECTION = "behaviour_detection"
    FILE_INTEGRITY = "file_integrity"
    LOG_RESPONSE = "log_response"
    NETWORK_DETECTION = "network_detection"
    WEB_FIREWALL = "web_firewall"
    APPLICATION_CONTROL = "application_control"


LONGEST_LATENCY_S = 600.0
"""A trial waits for the declared latency in every environment that it stands up."""
CLASS_ALIASES = {
    "edr": ProductClass.BEHAVIOUR_DETECTION,
    "hids": ProductClass.BEHAVIOUR_DETECTION,
    "av": ProductClass.ANTI_MALWARE,
    "fim": ProductClass.FILE_INTEGRITY,
    "siem": ProductClass.LOG_RESPONSE,
    "ids": ProductClass.NETWORK_DETECTION,
    "ips": ProductClass.NETWORK_DETECTION,
    "ndr": ProductClass.NETWORK_DETECTION,
    "waf": ProductClass.WEB_FIREWALL,
    "allowlisting": ProductClass.APPLICATION_CONTROL,
}
"""The market's short words for a class, understood by `pij product new --class`."""


class NeededCapability(Definition):
    """One capability, with the reason that the published page shows."""

    capability: Capability
    why: str


class Build(Definition):
    """How a component's image is made. `ARG BASE` is the node's image, or the Debian base for a sensor."""

    context: str = "."
    dockerfile: str = "Dockerfile"
    args: dict[str, str] = {}
    python_requirements: str | None = None
    """A hash-locked requirements file; its wheels are laid into the build context as `python/`."""
    python_version: str = "3.13"
    """Of the image, for which the wheels are chosen (Debian 13 has 3.13)."""


class Ready(Definition):
    """Exits 0 as soon as the component is up; the canary still has to come through after it."""

    command: tuple[str, ...]
    timeout_s: float = 60.0


class ContentMount(Definition):
    """Content that only the user can give, such as a directory of rules; copied into the container."""

    id: Slug
    path: str
    """Absolute path in the component's container."""
    what: Text
    """What it is and where to get it."""


class Component(Definition):
    """One part of a product. Only what is declared here is granted, and only from the allow-list."""

    id: Slug
    """Not `intake…`: so are the containers called that a product's alerts are sent to, and they are not its cost."""
    placement: Placement
    node: Slug = "target"
    """The node it sits in (placement `node`) or watches (`sensor`): a name, or else a role."""
    build: Build = Build()
    start: tuple[str, ...]
    """Runs for as long as the product does; its end is the product's death."""
    environment: dict[str, str] = {}
    """`${node_pid}` is the watched node's init process in the engine host's pid namespace,
    `${node_address}` its address, `${attacker_address}` the attacker's; `${target_addresses}`, `${user_addresses}` …
    are all addresses of the nodes of that name or role, with blanks between."""
    capabilities: tuple[NeededCapability, ...] = ()
    host_pid: bool = False
    """Sees the engine host's processes (sensor only)."""
    network: NetworkAccess = NetworkAccess.NONE
    """For a sensor."""
    mirrors: Slug | None = None
    """With `network: mirror`: which of the environment's networks; the first one of `node` if not given. The copy
    arrives on the interface `mirror0`."""
    seccomp_unconfined: bool = False
    lock: Slug | None = None
    """A kernel facility that only one product can hold at a time, e.g. `audit`."""
    ready: Ready | None = None
    teardown: tuple[str, ...] | None = None
    """Undoes what outlives the container, e.g. the kernel's audit rules."""
    mem_limit: Size = "2g"
    cpus: float = 1.0
    pids_limit: int = 512
    disk_limit: Size = "2g"
    """What it may write to disk; more, and it is stopped and has failed. In a node: what the node writes."""
    content: tuple[ContentMount, ...] = ()

    @field_validator("id")
    @classmethod
    def _no_intake(cls, name: str) -> str:
        if name.startswith("intake"):
            raise ValueError("a name that does not begin with `intake`, as the evaluation's own containers do")
        return name


class Secret(Definition):
    """What only the evaluator may know, such as a licence key; never in the repository, a record, a log or a page.

    Given as the variable `PIJ_SECRET_<ID>` or as `--secret ID=FILE`.
    """

    id: Slug
    what: Text
    """What it is and where to get it."""
    component: Slug
    variable: str | None = None
    """The environment variable of the component that gets it."""
    path: str | None = None
    """Or the file in the component's container (mode 0400) that gets it."""


class CanaryAction(Definition):
    """An act that the product is known to answer.

    `${nonce}` is new each time (8 lower-case letters); `${number}` is a new number from 1 to 250;
    `${gateway_addresses}`, `${target_addresses}` … are all addresses of the nodes of that name or role, with blanks
    between, of which the acting node may reach some only.
    """

    node: Slug = "target"
    """A name, or else a role."""
    user: str = "root"
    command: str
    """For `bash -c`."""
    expect: dict[str, str]
    """Field of `Observation` (or `any` for the raw line) -> regular expression; all must match."""
    touches: tuple[str, ...] = ()
    """Other files and folders that it changes, so that what the product says of them counts for no step."""
    in_telemetry: bool = False
    """The answer is a telemetry record, because the product (or arm) raises no alerts."""
    timeout_s: float = 60.0
    """How long to wait for the answer, all attempts together."""
    retry_s: float = 5.0
    """Repeat the act if no answer came for so long (only before the first answer)."""
    burst: int = Field(default=1000, ge=1, le=1000)
    """How many of these acts, one straight after the other, `pij product check` expects an answer to each of."""
    burst_why: Text | None = None
    """Why fewer than 1,000: e.g. each act starts a scan. Shown with the result."""


class Ask(Definition):
    """How to ask the product for a version."""

    component: Slug
    command: tuple[str, ...]
    pattern: str = r"(.+)"
    """First group of the first match in its output."""


class ArmComponent(Definition):
    """What an arm changes on a component."""

    environment: dict[str, str] = {}
    content: tuple[ContentMount, ...] = ()


class Arm(Definition):
    """The product at one configuration."""

    id: Slug
    title: Text
    tuned: bool = False
    """Not the configuration as shipped: its verdicts carry the modifier `configuration`."""
    components: dict[Slug, ArmComponent] = {}
    alerts: tuple[Source, ...] | None = None
    """Replaces the product's alert sources in this arm."""
    telemetry: tuple[Source, ...] | None = None
    canary: CanaryAction | None = None
    notes: tuple[Ask, ...] = ()


class Product(Definition):
    """What is evaluated."""

    id: Slug
    name: str
    vendor: str
    product_class: ProductClass = Field(alias="class")
    licence: str
    homepage: str
    description: Text
    blind_spots: Text
    """What it can't see by design."""
    sees: tuple[str, ...]
    """ATT&CK data components it can see; a step that needs none of them is not applicable to it."""
    blocks: bool
    latency_s: float = Field(ge=0, le=LONGEST_LATENCY_S, allow_inf_nan=False)
    """Declared: the longest time from an act to its alert. Trials wait for it after their last step."""
    version: Ask
    content_version: Ask | None = None
    notes: tuple[Ask, ...] = ()
    """Asked when ready; the answers are shown with the result, e.g. which signature database is there."""
    components: tuple[Component, ...]
    alerts: tuple[Source, ...]
    telemetry: tuple[Source, ...] = ()
    canary: CanaryAction
    arms: tuple[Arm, ...]
    secrets: tuple[Secret, ...] = ()
    claims: dict[TechniqueId, str] = {}
    """What the vendor says it achieves: technique -> `prevented`, `alerted` or `logged`."""


def read_product(folder: Path) -> Product:
    """Read `<folder>/product.yaml`; a source that names a ready-made mapping holds it already.

    Raises:
        ContentError: every problem of the file.
    """
    path = folder / "product.yaml"
    product = read_document(path, Product)
    _data, lines = load_yaml(path)
    problems: list[Problem] = []
    arms = tuple(
        arm.model_copy(update=_with_mappings(arm, ("arms", number), path, lines, problems))
        for number, arm in enumerate(product.arms)
    )
    product = product.model_copy(update={**_with_mappings(product, (), path, lines, problems), "arms": arms})
    if problems:
        raise ContentError(problems)
    return product


def _with_mappings(
    part: Product | Arm, place: tuple[str | int, ...], path: Path, lines: Lines, problems: list[Problem]
) -> dict[str, tuple[Source, ...]]:
    """The sources of a product or arm that name a ready-made mapping, with it; and what is wrong with them."""
    changed: dict[str, tuple[Source, ...]] = {}
    for kind, sources in (("alerts", part.alerts), ("telemetry", part.telemetry)):
        found: list[Source] = []
        for index, source in enumerate(sources or ()):
            where = (*place, kind, index, "mapping")
            try:
                found.append(resolved(source, path, lines.of(where), ".".join(map(str, where))))
            except ContentError as error:
                problems.extend(error.problems)
        if any(source.mapping for source in found):
            changed[kind] = tuple(found)
    return changed
