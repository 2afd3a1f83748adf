"""What docs/proofs.md says is proven is proven again, on a random sample, in fresh containers."""

import os
import random
import re
import threading
from pathlib import Path

import pytest

from pipelines.procedures import Selector, gather_procedures, read_values
from pipelines.prove import ENVIRONMENTS, Prover
from results.paths import ROOT

REAL = Path(os.environ.get("PIJ_TEST_DATA") or ROOT.parent / "shared" / "data")
CORPORA = (REAL / "atomic-red-team", REAL / "caldera-stockpile")
TABLE = ROOT / "docs" / "proofs.md"
ROW = re.compile(r"^\| T\S+ \| .* `([0-9a-f]{8})` \| proven[^|]*\|[^|]*\|[^|]*\| yes \|", re.MULTILINE)
SAMPLE = 12


@pytest.mark.docker
@pytest.mark.skipif(not CORPORA[0].is_dir(), reason="the real corpora are not at hand (PIJ_TEST_DATA)")
def test_a_random_sample_of_the_table_is_proven_again(engine, state):
    """Else the table could have been true once, on one machine."""
    stable = ROW.findall(TABLE.read_text("utf-8"))
    assert len(stable) >= 150
    seed = random.randrange(10**6)  # a sample
    chosen = set(random.Random(seed).sample(stable, SAMPLE))
    known = gather_procedures(CORPORA).values()
    procedures = [p for p in known if p.guid[:8] in chosen and Selector(platform="linux").fits(p, None)]
    assert len(procedures) >= SAMPLE
    prover = Prover(engine, read_values(), threading.Event(), workers=3)
    prover.build(ENVIRONMENTS, print)
    proofs = prover.prove(procedures, fresh=True, on_proof=lambda *_: None)
    assert [(p.name, p.reason, p.detail) for p in proofs if not p.proven] == [], f"seed {seed}"
