"""What the conformance kit says about a product: items, each passed, failed or skipped, with how to mend it."""

from enum import StrEnum

from results.documents import Definition
from results.errors import Problem
from results.records import Text


class Status(StrEnum):
    """How an item came out."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


TITLES = {
    "lint": Text(en="The manifest is right", ja="定義ファイルが正しい"),
    "filled": Text(en="Nothing of the template is left", ja="雛形の記入漏れがない"),
    "build": Text(en="Its images build", ja="イメージがビルドできる"),
    "ready": Text(en="It becomes ready", ja="起動する"),
    "canary-before": Text(en="It shows its canary", ja="カナリアに警告を出す"),
    "version": Text(en="It says its version", ja="バージョンを答える"),
    "delay": Text(en="Alerts come within the declared time", ja="警告が申告した時間内に届く"),
    "clock": Text(en="Its clock agrees with the host's", ja="時刻がホストと合っている"),
    "burst": Text(en="No alert is lost in a burst", ja="短時間に多数起きても警告が欠けない"),
    "mapping": Text(en="Every alert is read completely", ja="すべての警告を完全に読み取れる"),
    "dry-run": Text(en="It lives through the public dry run", ja="公開の予行演習を最後まで動作する"),
    "canary-after": Text(en="It still shows its canary", ja="最後にもカナリアに警告を出す"),
    "conduct": Text(en="It does nothing that no product should", ja="不審な振る舞いがない"),
    "rights": Text(en="What it asks for, and why", ja="要求する権限とその理由"),
    "resources": Text(en="It stays within its limits", ja="申告した資源の上限を超えない"),
    "shutdown": Text(en="It ends when it is told to", ja="終了の指示で終了する"),
    "leftovers": Text(en="It leaves nothing behind", ja="何も残さない"),
}
"""Every item, in the order of the report."""


class Item(Definition):
    """One requirement and what was found."""

    id: str
    title: Text
    status: Status
    found: str
    """What was measured or seen, in words."""
    allowed: str = ""
    mend: str = ""
    """How to mend it; empty if it passed."""
    problems: tuple[Problem, ...] = ()
    """With file and line, where it is a matter of a file."""
    table: tuple[tuple[str, ...], ...] = ()
    """Details; the first row is the header."""
    measured: dict[str, float | int | str | bool | None] = {}
    seconds: float = 0.0


class Conformance(Definition):
    """The whole report."""

    report_version: int = 1
    product: str
    product_name: str
    vendor: str
    product_class: str
    version: str | None
    """As the running product says it."""
    arm: str
    environment: str
    plan: str
    provenance: dict[str, str]
    started: str
    """UTC, ISO 8601."""
    seconds: float
    """Without building images."""
    build_seconds: float
    items: tuple[Item, ...]

    @property
    def passed(self) -> bool:
        """No item failed."""
        return all(item.status is not Status.FAILED for item in self.items)


def passed(name: str, found: str, **more: object) -> Item:
    """An item that passed."""
    return Item.model_validate({"id": name, "title": TITLES[name], "status": Status.PASSED, "found": found, **more})


def failed(name: str, found: str, allowed: str, mend: str, **more: object) -> Item:
    """An item that failed."""
    values = {"id": name, "title": TITLES[name], "status": Status.FAILED, "found": found}
    return Item.model_validate({**values, "allowed": allowed, "mend": mend, **more})


def skipped(name: str, why: str, mend: str = "", **more: object) -> Item:
    """An item about which nothing can be said."""
    values = {"id": name, "title": TITLES[name], "status": Status.SKIPPED, "found": why, "mend": mend}
    return Item.model_validate({**values, **more})
