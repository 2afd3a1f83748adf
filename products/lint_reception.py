"""What is wrong with how records come in and secrets go out: kinds of source, ports, addresses, queries, secrets."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from products.manifest import Arm, Component, Placement, Product, Secret, Source
from products.placement import is_in_node, shares_network
from products.secret import GENERATED, REFERENCE
from products.source import Format, HttpPoll, SqliteTable, Transport, Webhook

Place = tuple[str | int, ...]
Report = Callable[[Place, str, str, str], None]
"""Called with the field, what was found, what is allowed, how to mend it."""
KINDS = ("file", "container_log", "syslog", "webhook", "http", "command", "sqlite")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2: a header's name."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
PARAMETER = re.compile(r"[:@$]\w+|\?\d*")


def lint_reception(source: Source, product: Product, place: Place, report: Report) -> None:
    """Report what is wrong with where a source's records come from."""
    given = [kind for kind in KINDS if getattr(source, kind)]
    if len(given) != 1:
        report(place, " and ".join(given) or "no kind of source", f"exactly one of {', '.join(KINDS)}", "Keep one.")
    if source.file is not None:
        _lint_path(source.file, (*place, "file"), report)
    if source.webhook is not None:
        _lint_webhook(source.webhook, source.component, product, (*place, "webhook"), report)
    if source.http is not None:
        _lint_http(source.http, product, (*place, "http"), report)
    if source.command is not None and not source.command.command:
        report((*place, "command", "command"), "nothing", "a program and its arguments", "Name one.")
    if source.sqlite is not None:
        _lint_table(source.sqlite, (*place, "sqlite"), report)
        if source.format not in (Format.JSON, Format.JSON_LINES):
            report((*place, "format"), source.format, "json: each row comes as a JSON object", "Correct it.")


def lint_ports(product: Product, report: Report) -> None:
    """Report ports that pij would have to listen on twice, or ask itself on, in one network namespace."""
    arms: list[Arm | None] = [None, *product.arms]
    for number, arm in enumerate(arms):
        taken: dict[tuple[str, str, int], object] = {}
        for place, source in _placed(product, arm, number - 1):
            port = _port(source)
            component = next((part for part in product.components if part.id == source.component), None)
            if port is None or component is None:
                continue
            declared = source.syslog or source.webhook or "the product's own API"
            before = taken.setdefault((_namespace(component), *port), declared)
            if before != declared:
                found = f"port {port[1]}, which is taken in the same network namespace"
                report(place, found, "a port for each, or the very same declaration", "Change one of the ports.")


def lint_secrets(product: Product, report: Report) -> None:
    """Report what is wrong with the secrets that a product asks for."""
    ids = [secret.id for secret in product.secrets]
    components = {component.id for component in product.components}
    for index, secret in enumerate(product.secrets):
        place = ("secrets", index)
        if secret.id == GENERATED or ids.index(secret.id) != index:
            report((*place, "id"), secret.id, f"an id of its own, and not {GENERATED!r}", "Rename it.")
        if secret.component not in components:
            report((*place, "component"), secret.component, ", ".join(sorted(components)), "Name a component.")
        _lint_destination(secret, place, report)


def lint_network(component: Component, place: Place, report: Report) -> None:
    """Report a network that the component's placement does not have."""
    if component.placement is not Placement.SENSOR and "network" in component.model_fields_set:
        found = f"network in a {component.placement}"
        report((*place, "network"), found, "in a sensor only: the others have their placement's", "Remove it.")
    if component.mirrors is not None and component.network != "mirror":
        report((*place, "mirrors"), f"with `network: {component.network}`", "with `network: mirror` only", "Remove it.")


def _lint_path(path: str, place: Place, report: Report) -> None:
    if not path.startswith("/") or ".." in path.split("/"):
        report(place, path, "an absolute path in the component's container", "Write the whole path.")


def _lint_webhook(hook: Webhook, component: str, product: Product, place: Place, report: Report) -> None:
    if not hook.path.startswith("/") or not hook.path.isascii() or not hook.path.isprintable() or " " in hook.path:
        report((*place, "path"), hook.path, "a path that begins with /", "Correct it.")
    if not TOKEN.fullmatch(hook.header):
        report((*place, "header"), hook.header, "the name of an HTTP header", "Correct it.")
    known = [secret.id for secret in product.secrets if secret.component == component]
    if hook.secret != GENERATED and hook.secret not in known:
        allowed = ", ".join([GENERATED, *known])
        report(
            (*place, "secret"),
            hook.secret,
            allowed,
            "Declare it under `secrets` for this component, or let pij draw it.",
        )


def _lint_http(poll: HttpPoll, product: Product, place: Place, report: Report) -> None:
    try:
        url = urlsplit(poll.url.replace("${since}", "0"))
        sound = (url.scheme, url.hostname, url.username) == ("http", "127.0.0.1", None) and url.port is not None
    except ValueError:
        sound = False
    if not sound or not poll.url.isascii() or not poll.url.isprintable() or " " in poll.url:
        allowed = "http://127.0.0.1:PORT/...: pij asks from inside the component's own network namespace"
        report((*place, "url"), poll.url, allowed, "Let the product listen there.")
    if "${secret:" in poll.url:
        report((*place, "url"), "a secret in the address", "secrets in `headers` only", "Send it as a header.")
    known = {secret.id for secret in product.secrets}
    for name, value in poll.headers.items():
        if not TOKEN.fullmatch(name) or not value.isprintable():
            report((*place, "headers", name), repr(value), "a header of HTTP, on one line", "Correct it.")
        for wanted in REFERENCE.findall(value):
            if wanted not in known:
                report((*place, "headers", name), wanted, ", ".join(sorted(known)) or "none", "Declare it: `secrets`.")


def _lint_table(table: SqliteTable, place: Place, report: Report) -> None:
    _lint_path(table.file, (*place, "file"), report)
    if not VARIABLE.fullmatch(table.cursor):
        report((*place, "cursor"), table.cursor, "the name of a column of the query", "Correct it.")
    plain = QUOTED.sub(" ", table.query).strip().rstrip(";")
    if ";" in plain or not plain.lower().startswith(("select ", "select\n", "with ")):
        report((*place, "query"), table.query[:80], "one SELECT", "pij only reads.")
        return
    parameters = set(PARAMETER.findall(plain))
    if parameters != {":last"}:
        found = ", ".join(sorted(parameters)) or "no parameter"
        report((*place, "query"), found, ":last, and no other", f"Add `WHERE {table.cursor} > :last`.")


def _lint_destination(secret: Secret, place: Place, report: Report) -> None:
    if (secret.variable is None) == (secret.path is None):
        report(place, "both or neither of variable and path", "exactly one", "Say how the component gets it.")
    if secret.variable is not None and not VARIABLE.fullmatch(secret.variable):
        report((*place, "variable"), secret.variable, "the name of an environment variable", "Correct it.")
    if secret.path is not None:
        _lint_path(secret.path, (*place, "path"), report)


def _placed(product: Product, arm: Arm | None, number: int) -> Iterator[tuple[Place, Source]]:
    """The sources of an arm, or of the product where no arm is given; an arm that replaces none is left out."""
    if arm is not None and arm.alerts is None and arm.telemetry is None:
        return
    for kind in ("alerts", "telemetry"):
        own = getattr(arm, kind) if arm is not None else None
        place: Place = (kind,) if own is None else ("arms", number, kind)
        for index, source in enumerate(getattr(product, kind) if own is None else own):
            yield (*place, index), source


def _port(source: Source) -> tuple[str, int] | None:
    """Protocol and port that a source takes or asks."""
    if source.syslog is not None:
        return ("udp" if source.syslog.transport is Transport.UDP else "tcp", source.syslog.port)
    if source.webhook is not None:
        return ("tcp", source.webhook.port)
    if source.http is not None:
        try:
            port = urlsplit(source.http.url).port
        except ValueError:
            return None
        return ("tcp", port) if port is not None else None
    return None


def _namespace(component: Component) -> str:
    """What tells network namespaces apart."""
    if component.placement is Placement.GATEWAY:
        return "the gateway's"
    if is_in_node(component) or shares_network(component):
        return f"node {component.node}"
    return f"component {component.id}"
