"""What `pij prove` says in the end: counts by corpus and reason, and one row a procedure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from attacks.proof import Proof, Reason
from results.printable import printable

COLUMNS = (
    "corpus", "procedures", "proven", "of these only the attempt", "need an address outside",
    "need a payload that is not there",
    "proven of those that need no address", "and no payload",
)  # fmt: skip


def summary_rows(proofs: Sequence[Proof]) -> list[dict[str, Any]]:
    """One row a corpus: how many procedures, how many proven, and the share of those that could be."""
    rows = []
    for corpus in dict.fromkeys(proof.corpus for proof in proofs):
        own = [proof for proof in proofs if proof.corpus == corpus]
        inside = [proof for proof in own if not needs_outside(proof)]
        whole = [proof for proof in inside if proof.reason is not Reason.PAYLOAD]
        values = (
            corpus, len(own), _proven(own), sum(proof.attempt_only for proof in own), len(own) - len(inside),
            len(inside) - len(whole), _share(inside), _share(whole),
        )  # fmt: skip
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def _proven(proofs: Sequence[Proof]) -> int:
    return sum(proof.proven for proof in proofs)


def _share(proofs: Sequence[Proof]) -> str:
    return f"{_proven(proofs)}/{len(proofs)} ({_proven(proofs) / len(proofs):.1%})" if proofs else "none"


def needs_outside(proof: Proof) -> bool:
    """It names an address outside and did nothing without it."""
    return not proof.proven and (bool(proof.external) or proof.reason is Reason.NETWORK)


def reason_rows(proofs: Sequence[Proof]) -> list[dict[str, Any]]:
    """How many carry no proof for which reason."""
    counts = Counter(str(proof.reason) for proof in proofs if not proof.proven)
    return [{"reason": reason, "procedures": count} for reason, count in counts.most_common()]


def markdown(proofs: Sequence[Proof], title: str, how: str) -> str:
    """The summary table for `docs/`: facts only (ids, names, counts), nothing of upstream's texts."""
    lines = [f"# {title}", "", how, "", *_table(summary_rows(proofs)), "", *_table(reason_rows(proofs)), ""]
    lines += ["| technique | procedure | proof | where, as | effects | same each time | cleanup |", "|" + "---|" * 7]
    for proof in sorted(proofs, key=lambda proof: (proof.technique, proof.name, proof.guid)):
        lines.append(f"| {' | '.join(_cells(proof))} |")
    return "\n".join(lines) + "\n"


def _cells(proof: Proof) -> tuple[str, ...]:
    name = f"{_plain(proof.name)} `{proof.guid[:8]}`"
    if not proof.proven:
        return (proof.technique, name, str(proof.reason), "", "", "", "")
    kinds = Counter(effect.kind.value for effect in proof.effects)
    effects = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    stopped = f" (stopped: {proof.stopped})" if proof.stopped else ""
    cleanup = proof.cleanup if proof.cleanup in ("none", "restores") else proof.cleanup.split(" ")[0]
    standing = "attempt" if proof.attempt_only else "proven"
    where = f"{proof.environment}, {proof.user}"
    return (
        proof.technique, name, f"{standing}{stopped}", where, effects, "yes" if proof.stable else "no", cleanup
    )  # fmt: skip


def _plain(text: str) -> str:
    return printable(text).replace("|", "\\|").replace("<", "&lt;")


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    header = list(rows[0])
    return [
        f"| {' | '.join(header)} |",
        "|" + "---|" * len(header),
        *(f"| {' | '.join(str(value) for value in row.values())} |" for row in rows),
    ]
