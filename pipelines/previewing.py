"""`pij preview`: a vendor's own view with its reproduction bundles, and the dispute window that it opens."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipelines.reproduce import Defined, defined, make_bundle
from results.disputes import open_window
from results.errors import EvaluationError
from results.held_out import blind
from results.preview import BundleLine, Preview, complaints, write_preview
from results.reproduction import as_bytes
from results.store import read_campaign, read_verdicts


def preview_product(
    folder: Path, product: str, to: Path, definition: str, content: Mapping[str, Path], days: float, now_ns: int
) -> Preview:
    """Make one product's view, with a bundle for each miss and false alarm, and open the dispute window.

    Of a held-out plan the view is blinded and has no bundles: they would open it.

    Args:
        folder: of a scored campaign.
        product: its id.
        to: a folder that is not there yet, or is empty.
        definition: campaign id or file that it was run with.
        content: content id -> folder.
        days: how long the vendor may object.
        now_ns: the time (UTC).

    Raises:
        EvaluationError: there is no such product, or the definitions are not those that it was run with.
    """
    campaign = read_campaign(folder)
    what = None if campaign.held_out else defined(definition, content)
    with tempfile.TemporaryDirectory(prefix="preview-") as scratch:
        trials, covered = write_preview(blind(folder, Path(scratch)) if campaign.held_out else folder, product, to)
    bundles = _bundles(to, trials, what) if what is not None else ()
    window = open_window(folder, product, days, now_ns)
    found = Preview(
        campaign=campaign.campaign, product=product, trials=trials, covered=covered, bundles=bundles,
        until_ns=window.until_ns,
    )  # fmt: skip
    (to / "preview.json").write_bytes(as_bytes(found))
    return found


def _bundles(to: Path, trials: tuple[str, ...], what: Defined) -> tuple[BundleLine, ...]:
    found = []
    for verdict, kind in complaints(read_verdicts(to), trials):
        name = f"bundles/{verdict.trial_id}-{verdict.step_id}.pij.zip"
        try:
            make_bundle(to, verdict.trial_id, verdict.step_id, what, to / name)
        except EvaluationError as error:
            raise EvaluationError(f"{error} No view was given to anybody; {to} can be removed.") from None
        found.append(BundleLine(file=name, trial_id=verdict.trial_id, step_id=verdict.step_id, what=kind))
    return tuple(found)
