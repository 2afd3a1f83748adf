"""The conformance kit from beginning to end: one product, one environment, everything taken down whatever happens."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from environments.engine import NOT_ANSWERING, Engine, Say
from environments.images import BuildError
from environments.labels import CAMPAIGN, labels
from environments.standing import Target, remove_quietly, stand_up
from environments.sweep import sweep
from environments.witness import Witness
from pipelines import conformance_items as items
from pipelines import conformance_live as live
from pipelines.build import Images
from pipelines.campaign import ArmOfProduct, Prepared
from pipelines.conformance import TITLES, Conformance, Item, failed, passed, skipped
from pipelines.conformance_measure import Answers, completeness
from pipelines.product_build import build_one, default_arm, environment_for, prepare_product
from pipelines.provenance import provenance
from pipelines.submission import unfilled
from pipelines.trial import holding_locks, node_images
from products.deploy import Deployment, deploy, sources_of
from products.lint import lint_product
from products.manifest import read_product
from products.placement import extras_of, has_collector
from results.errors import EngineError, EvaluationError, ProductError

CHECKING = "check"
"""Beginning of the label of what a check starts."""
AUDIT = "audit"
LONGEST_S = 150.0
"""From the start of the environment to the end of the burst: what comes after it takes little."""


@dataclass
class _Report:
    """What is known so far."""

    say: Say
    items: dict[str, Item] = field(default_factory=dict)
    version: str | None = None
    began: float = field(default_factory=time.monotonic)

    def add(self, item: Item, seconds: float = 0.0) -> Item:
        item = item.model_copy(update={"seconds": round(seconds, 2)})
        self.items[item.id] = item
        self.say(f"{item.status}: {item.title.en}: {item.found}")
        return item

    @contextmanager
    def timed(self, name: str) -> Iterator[Callable[[Item], Item]]:
        self.say(f"… {TITLES[name].en}")
        began = time.monotonic()
        yield lambda item: self.add(item, time.monotonic() - began)

    def finished(self, why: str) -> tuple[Item, ...]:
        return tuple(self.items.get(name) or skipped(name, why) for name in TITLES)


def check_product(
    engine: Engine,
    folder: Path,
    arm: str | None,
    environment: str | None,
    content: dict[str, Path],
    secrets: dict[str, Path],
    say: Say,
    stop: threading.Event,
    early: threading.Event,
) -> Conformance:
    """Run the conformance kit.

    Args:
        engine: where.
        folder: the product's.
        arm: which configuration; `default`, else the first, if None.
        environment: where; the usual one of its placement if None.
        content: content id -> folder, for arms that need the user's own.
        secrets: secret id -> file that holds it.
        say: receives one line for each thing that happens.
        stop: set to take everything down and give up.
        early: set until there is something to take down.

    Raises:
        ContentError: the product's manifest can't be read at all.
        EvaluationError: the engine or our own part failed: nothing can be said about the product.
        Interrupted: `stop` was set; everything was taken down.
    """
    started, report = datetime.now(UTC), _Report(say)
    problems = lint_product(folder)
    report.add(items.lint_item(problems))
    product = read_product(folder)
    arm, environment = arm or default_arm(folder), environment or environment_for(product)
    report.add(items.filled_item(unfilled(folder)))
    report.add(items.rights_item(product))
    build_s, plan, where = 0.0, "–", environment
    if not problems:
        prepared = prepare_product(folder, arm, environment, content, secrets)
        plan, where = prepared.plan.id, prepared.environment.id
        with report.timed("build") as note:
            began = time.monotonic()
            images = _build(engine, prepared, say, note)
            build_s = time.monotonic() - began
        report.began = time.monotonic()
        early.clear()
        if images is not None:
            try:
                _live(engine, prepared, images, report, stop)
            except NOT_ANSWERING as error:
                raise EngineError(f"the engine failed while the product was checked: {error}. Try again.") from error
    return Conformance(
        product=product.id,
        product_name=product.name,
        vendor=product.vendor,
        product_class=product.product_class.value,
        version=report.version,
        arm=arm,
        environment=where,
        plan=plan,
        provenance=provenance(engine),
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - report.began, 1),
        build_seconds=round(build_s, 1),
        items=report.finished("an earlier item failed"),
    )


def _build(engine: Engine, prepared: Prepared, say: Say, note: Callable[[Item], Item]) -> Images | None:
    sweep(engine, say)
    try:
        images = build_one(engine, prepared, say)
    except BuildError:
        raise  # a node or the base: ours
    except EvaluationError as error:
        text = str(error)
        note(failed("build", text.splitlines()[0][:200] + " … " + text[-600:], "an image", "Mend the Dockerfile."))
        return None
    note(passed("build", f"{len(images.products)} image(s)"))
    return images


def _live(engine: Engine, prepared: Prepared, images: Images, report: _Report, stop: threading.Event) -> None:
    """Everything that needs the product to run, and what is left afterwards."""
    (entry,) = prepared.entries
    marks = labels(f"{CHECKING}-{entry.product.id}", entry.key)
    components = entry.components()
    with ExitStack() as stack:
        stack.enter_context(holding_locks(entry, report.say, stop))
        before = _kernel_rules(engine, entry, images)
        with ExitStack() as running:
            report.say("standing up")
            witness = running.enter_context(Witness(engine, images.witness, marks))
            target = running.enter_context(
                stand_up(engine, prepared.environment, node_images(prepared, images, entry), witness, marks,
                         extras_of(components, prepared.environment.nodes), stop, management=has_collector(components))
            )  # fmt: skip
            _with_product(prepared, images, target, marks, report, stop)
        with report.timed("leftovers") as note:
            after = _kernel_rules(engine, entry, images)
            rules = sorted(set(after or ()) - set(before or ()))
            unknown = [] if after is not None else ["the kernel's audit rules"]
            note(items.leftovers_item([*_remains(engine, marks), *rules], unknown))


def _with_product(
    prepared: Prepared,
    images: Images,
    target: Target,
    marks: dict[str, str],
    report: _Report,
    stop: threading.Event,
) -> None:
    (entry,) = prepared.entries
    tags = {part.id: images.products[entry.product.id, part.id][0] for part in entry.components()}
    name = "ready"
    try:
        with deploy(target, entry.product, entry.arm, tags, entry.content, marks, stop, entry.secrets) as deployment:
            with report.timed("ready") as note:
                began = time.monotonic()
                deployment.wait_ready()
                note(items.ready_item(entry.product, time.monotonic() - began))
            name = "canary-before"
            with live.watching_peak(deployment) as peak:
                if _canary(deployment, report, "canary-before", "ready"):
                    name = "conduct"
                    _measure(prepared, images, deployment, report, stop)
            report.add(items.resources_item(entry.product, peak))
            with report.timed("shutdown") as note:
                note(items.shutdown_item(live.shut_down(deployment, stop)))
    except ProductError as error:
        known = next(one for one in ("ready", "canary-before", "dry-run", "burst", name) if one not in report.items)
        mend = "It must run for as long as it is not told to end."
        report.add(failed(known, str(error)[:800], "a product that runs", mend))


def _measure(
    prepared: Prepared, images: Images, deployment: Deployment, report: _Report, stop: threading.Event
) -> None:
    """Everything between the first canary and the end."""
    (entry,) = prepared.entries
    report.version = deployment.ask(entry.product.version)
    report.add(items.version_item(report.version))
    with report.timed("delay") as note:
        shown, done = live.series(deployment, report.say, stop)
        note(items.delay_item(shown, done, entry.product.latency_s))
    sources = [source for _kind, source in sources_of(entry.product, entry.arm)]
    report.add(items.clock_item(shown, sources))
    with report.timed("dry-run") as note:
        note(items.dry_run_item(live.dry_run(prepared, images, deployment, report.say, stop), prepared.plan.id))
    conduct = deployment.conduct()
    with report.timed("burst") as note:
        canary = live.canary_of(deployment)
        left_s = LONGEST_S - (time.monotonic() - report.began)
        found = live.burst(deployment, left_s, report.say, stop)
        note(items.burst_item(found, canary, Answers(canary.expect).most))
    _canary(deployment, report, "canary-after", "check")
    report.add(items.conduct_item(conduct))
    report.add(_mapping(deployment, entry))


def _canary(deployment: Deployment, report: _Report, name: str, phase: str) -> bool:
    with report.timed(name) as note:
        began = time.monotonic()
        shown = deployment.show_canary(phase)
        attempts = deployment.canaries[-1].attempts
        note(items.canary_item(name, shown, attempts, time.monotonic() - began, deployment.last_words()))
    return shown


def _mapping(deployment: Deployment, entry: ArmOfProduct) -> Item:
    collector = deployment.collector
    has_alerts = any(kind == "alerts" for kind, _source in collector.sources)
    kind = "alerts" if has_alerts else "telemetry"
    sources = [source for one, source in sources_of(entry.product, entry.arm) if one == kind]
    counts = [
        (count.received, count.unreadable, count.dropped, count.refused)
        for count in collector.counts()
        if count.kind == kind
    ]
    records = collector.alerts() if has_alerts else collector.telemetry()
    fields = {name for source in sources for name in source.map}
    found = completeness(records, counts, fields)
    return items.mapping_item(found, collector.unreadable(), collector.troubles(), untimed="time" not in fields)


def _remains(engine: Engine, marks: dict[str, str]) -> list[str]:
    """Containers and networks of this check that are still there."""
    label = f"{CAMPAIGN}={marks[CAMPAIGN]}"
    containers = engine.client.containers.list(all=True, filters={"label": label})
    networks = engine.client.networks.list(filters={"label": label})
    return [f"container {one.name}" for one in containers] + [f"network {one.name}" for one in networks]


def _kernel_rules(engine: Engine, entry: ArmOfProduct, images: Images) -> list[str] | None:
    """The kernel's audit rules, seen with the product's own tools; None if they can't be seen, empty if it has none."""
    component = next((part for part in entry.components() if part.lock == AUDIT), None)
    if component is None:
        return []
    image = images.products[entry.product.id, component.id][0]
    try:
        container = engine.client.containers.create(
            image, entrypoint="", command=["auditctl", "-l"], pid_mode="host", network_mode="none", cap_drop=["ALL"],
            cap_add=["AUDIT_CONTROL"], labels=labels(f"{CHECKING}-{entry.product.id}", "rules"),
        )  # fmt: skip
    except NOT_ANSWERING:
        return None
    try:
        container.start()
        code = container.wait()["StatusCode"]
        lines = container.logs(stderr=False).decode("utf-8", "replace").splitlines()
    except NOT_ANSWERING:
        return None
    finally:
        remove_quietly(lambda: container.remove(force=True))
    return [f"audit rule {line}" for line in lines if line.strip() != "No rules"] if code == 0 else None
