"""Attribution by column for a handful of records: through a file, as scoring reads them."""

import tempfile
from pathlib import Path

from results.attribution import FIELDS, Attributor
from results.attribution_rows import rows_of
from results.columns import batches
from results.counting import Counting
from results.quality import times_of
from results.records import Observation
from results.store import attribution_writer, read_attributions, write_rows


def attribute(steps, trial, observations, alert=True, rows=1 << 18):
    """(attributions, step id -> evidence, times) of some observations."""
    attributor = Attributor(steps, trial.node_names, trial.latency_s)
    counting = Counting(alert, len(attributor.steps))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "observations.parquet"
        write_rows(path, Observation, observations)
        times = times_of(path, trial)
        with attribution_writer(Path(folder)) as write:
            for batch in batches(path, [*dict.fromkeys((*FIELDS, *attributor.criteria.fields))], rows):
                place = slice(batch.first, batch.first + batch.size)
                claims = attributor.attribute(batch, times.moment[place])
                times.irregular[place] |= claims.irregular
                counting.add(batch, claims, times)
                moments, irregular = times.moment[place], times.irregular[place]
                write(rows_of(batch, claims, attributor, moments, irregular, trial.trial_id, alert))
        found = read_attributions(Path(folder))
    evidence = {attributor.steps[number].step_id: one for number, one in counting.steps().items()}
    return found, evidence, times
