"""What a vendor says that its product achieves, technique by technique, against what was measured."""

from collections.abc import Mapping, Sequence

from results.measures import ClaimLine
from results.metrics import repeated_share
from results.records import Outcome, StepKind, Verdict

LEVEL = {Outcome.LOGGED: 1, Outcome.ALERTED: 2, Outcome.PREVENTED: 3}
CLAIMED = {"logged": 1, "alerted": 2, "prevented": 3}
NOT_TESTED = "no valid execution of this technique"


def claim_lines(claims: Mapping[str, str], verdicts: Sequence[Verdict], alike: float = 1.0) -> tuple[ClaimLine, ...]:
    """One line a claim.

    A claim about a technique covers what is below it. An execution that nothing came of counts against the claim even
    where the product's class can't see it: the vendor said that it can.

    Args:
        claims: technique -> `prevented`, `alerted` or `logged`.
        verdicts: of the arm.
        alike: how much repetitions of a step are, see `results.metrics.likeness`.
    """
    judged = [v for v in verdicts if v.kind is StepKind.MALICIOUS and v.outcome is not Outcome.INVALID]
    lines = []
    for technique, claimed in sorted(claims.items()):
        about = [v for v in judged if v.technique == technique or (v.technique or "").startswith(f"{technique}.")]
        held = sum(LEVEL.get(v.outcome, 0) >= CLAIMED.get(claimed, len(CLAIMED)) for v in about)
        rate = repeated_share(held, len(about), len({v.step_id for v in about}), alike)
        verdict = "not_tested"
        if about:
            verdict = "held" if held == len(about) else "partly" if held else "not_held"
        lines.append(
            ClaimLine(
                technique=technique,
                claimed=claimed,
                verdict=verdict,
                rate=rate if about else rate.model_copy(update={"reason": NOT_TESTED}),
            )
        )
    return tuple(lines)
