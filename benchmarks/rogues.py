"""Products that try to look good, through the real pipeline: `python -m benchmarks.rogues [--markdown FILE]`.

Real sensors (tests/small/small_rogue) in real containers against eight acts, the same acts as ordinary work, and six
sessions that do nothing. A product that gains something by being noisy, late, loud with names, or by recognising the
harness would show here as a J above 0.
"""

import argparse
import tempfile
from pathlib import Path

import yaml

from environments.engine import engine_for
from pipelines.campaign import prepare
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Schedule, run_plain
from results.measures_page import said
from results.paths import ROOT
from results.summary import ArmSummary, Summary
from results.tables import find_rate, share

SMALL = ROOT / "tests" / "small"
HEAD = """# Rogue products

Made by `python -m benchmarks.rogues --repetitions {repetitions} --markdown docs/validation/rogue-products.md`. Real
sensors in real containers, through the whole pipeline: eight acts as attacks, the same eight as ordinary work, six
sessions that do nothing, {repetitions} repetitions. Youden's J is what a product knows beyond alerting at random: none
of them may be shown above 0.

| product | came out as | detected, raw | beyond chance | technique, raw | twins left alone | chance | wrong names | J |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Run, print, and write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=4)
    parser.add_argument("--markdown", type=Path)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rogues-") as scratch, engine_for(print) as engine:
        prepared = prepare(str(_campaign(wishes.repetitions, Path(scratch))))
        folder = open_campaign(prepared, Path(scratch) / "runs", fresh=False)
        run = CampaignRun(engine, prepared, folder, lambda name, line: print(name, line))
        (summary,) = run_plain(Schedule((run,)))
    text = HEAD.format(repetitions=wishes.repetitions) + "".join(
        _row(arm, summary) for arm in summary.arms if arm.measures is not None
    )
    print(text)
    if wishes.markdown is not None:
        wishes.markdown.write_text(text, "utf-8")


def _campaign(repetitions: int, scratch: Path) -> Path:
    definition = yaml.safe_load((SMALL / "rogues.yaml").read_text("utf-8"))
    definition["repetitions"] = repetitions
    definition["procedures"] = str(SMALL / "procedures")
    for name in ("plan", "environment"):
        definition[name] = str(SMALL / definition[name])
    definition["entries"] = [{**one, "product": str(SMALL / one["product"])} for one in definition["entries"]]
    path = scratch / "rogues.yaml"
    path.write_text(yaml.safe_dump(definition, allow_unicode=True), "utf-8")
    return path


def _row(arm: ArmSummary, summary: Summary) -> str:
    statuses = sorted({line.status.value for line in summary.trials if line.arm_key == arm.arm_key})
    line = next(one for one in arm.rates if (one.metric, one.denominator) == ("detected", "applicable"))
    technique = find_rate(arm, "technique", "applicable")
    measures = arm.measures
    assert measures is not None
    beyond = said(line.corrected) if line.corrected is not None else "–"
    reason = f" ({line.corrected.reason})" if line.corrected is not None and line.corrected.reason else ""
    cells = [
        f"{arm.title.en}", ", ".join(statuses), share(line.rate), beyond + reason,
        share(technique) if technique is not None else "–", share(measures.specificity), share(arm.chance),
        share(arm.wrong_techniques), said(measures.youden_j),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    main()
