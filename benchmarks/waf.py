r"""Runs ModSecurity with OWASP CRS over CRS's regression tests and GoTestWAF's payloads, beside published rates.

    .venv/bin/python -m benchmarks.waf --crs ../shared/data/crs-regression --gotestwaf ../shared/data/gotestwaf \
        --page docs/waf-rates.md

The product is `products/modsecurity_crs` in the gateway of `environments/web_dmz`, as campaigns use it; every request
is sent byte for byte from the attacker's machine, and judged by the product's own audit log, by the client's port. The
regression tests of the packaged release itself are taken from Debian's source package.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.waf_cases import Case, OwnSet, crs_cases, fits, gotestwaf_cases
from benchmarks.waf_judge import judge
from benchmarks.waf_page import Crs, Payloads, page
from benchmarks.waf_replay import Bench, Run, own_tests
from environments.engine import engine_for

ROOT = Path(__file__).parent.parent
PARANOIA = {1: "blocking", 2: "tuned", 3: "paranoia3", 4: "paranoia4"}
"""Paranoia level -> the product's arm that blocks at it."""


def main() -> None:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crs", type=Path, required=True, help="folder of CRS's regression tests, of any release")
    parser.add_argument("--gotestwaf", type=Path, required=True, help="folder of GoTestWAF's test cases")
    parser.add_argument("--product", type=Path, default=ROOT / "products" / "modsecurity_crs")
    parser.add_argument("--environment", type=Path, default=ROOT / "environments" / "web_dmz")
    parser.add_argument("--crs-arm", default="upstream_tests", help="the arm for the regression tests")
    parser.add_argument("--paranoia", type=int, nargs="*", default=list(PARANOIA), choices=list(PARANOIA))
    parser.add_argument("--page", type=Path, help="write the page here; else it is printed")
    parser.add_argument("--rows", type=Path, help="write what came of every request here, as JSON lines")
    given = parser.parse_args()
    with engine_for(print) as engine:
        bench = Bench(engine, given.environment, print)
        with own_tests(bench) as folder:
            own = OwnSet(crs_cases(folder))
        crs = run_crs(bench, given.product, given.crs_arm, crs_cases(given.crs), own)
        payloads = run_payloads(bench, given.product, gotestwaf_cases(given.gotestwaf), given.paranoia)
    text = page(crs, payloads)
    if given.page is None:
        print(text)
    else:
        given.page.write_text(text, encoding="utf-8")
    if given.rows is not None:
        runs = {"own": crs.own_run, "crs": crs.run, "control": crs.control}
        runs |= {f"gotestwaf-{level}": run for level, run in payloads.runs.items()}
        given.rows.write_text("".join(rows(name, run) for name, run in runs.items()), encoding="utf-8")


def run_crs(bench: Bench, product: Path, arm: str, cases: Sequence[Case], own: OwnSet) -> Crs:
    """Both sets of regression tests: the given one, and the packaged release's own."""
    sendable = [case for case in cases if case.requests]
    print(f"{len(sendable)} regression tests and {len(own.cases)} of the release's own, through the gateway alone …")
    renamed = [_renamed(case) for case in own.cases.values() if case.requests]
    control = bench.run([*sendable, *renamed], None, None)
    print(f"… and with {product.name} · {arm}")
    run = bench.run(sendable, product, arm)
    own_run = bench.run(renamed, product, arm)
    fitting = [case for case in sendable if fits(case, run.installed)]
    judged = tuple(judge(case, run, control, own.lineage(case)) for case in fitting)
    return Crs(
        cases=tuple(cases),
        judged=judged,
        lineage={case.name: own.lineage(case) for case in fitting},
        own=tuple(own.cases.values()),
        own_judged=tuple(judge(case, own_run, control, "same") for case in renamed),
        run=run,
        own_run=own_run,
        control=control,
        arm=arm,
    )


def run_payloads(bench: Bench, product: Path, cases: Sequence[Case], levels: Sequence[int]) -> Payloads:
    """GoTestWAF's payloads at each paranoia level."""
    sendable = [case for case in cases if case.requests]
    runs = {}
    for level in levels:
        print(f"{len(sendable)} payloads with {product.name} · {PARANOIA[level]}")
        runs[level] = bench.run(sendable, product, PARANOIA[level])
    return Payloads(tuple(cases), runs)


def _renamed(case: Case) -> Case:
    """The release's own test under a name that the other set's tests don't have."""
    return Case(f"own {case.name}", case.group, case.requests, case.expected, case.benign, case.obstacle)


def rows(name: str, run: Run) -> str:
    """What came of every request of a run, as JSON lines."""
    return "".join(
        json.dumps(
            {"run": name, "case": case, "request": number, "status": seen.status, "wrong": seen.wrong,
             "rules": sorted(seen.rules), "alerted": seen.alerted},
            ensure_ascii=False,
        ) + "\n"
        for (case, number), seen in run.seen.items()
    )  # fmt: skip


if __name__ == "__main__":
    main()
