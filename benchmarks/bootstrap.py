"""10,000 resamples of a campaign of ten products: ours beside the obvious loop of pandas, in one run.

    python -m benchmarks.bootstrap

Both make the same thing: the rate of every outcome of every product in every resample of techniques. The loop is timed
over fewer resamples and scaled, since it takes minutes; its first resamples are checked against ours.
"""

import time

import numpy as np
import pandas as pd

from benchmarks.known_truth_worlds import World, draw
from results import confidence
from results.comparison import compare
from results.confidence import RESAMPLES, resample_counts, resampled_ratio
from results.ledger import METRICS, Ledger

PRODUCTS, TIMED = 10, 100
WORLD = World(techniques=60, steps=(2, 2), repetitions=3)


def by_matrix(ledgers: list[Ledger]) -> list[np.ndarray]:
    """(resamples, outcomes) of each product."""
    found = []
    for ledger in ledgers:
        hits, n = ledger.by_cluster(ledger.malicious & ledger.applicable, ledger.holds)
        found.append(resampled_ratio(hits[:-1], np.repeat(n[:-1], len(METRICS), axis=1)))
    return found


def by_pandas(frame: pd.DataFrame, counts: np.ndarray) -> list[pd.DataFrame]:
    """The same, resample by resample: take the drawn techniques' rows, group by product, take means."""
    groups = dict(list(frame.groupby("cluster")))
    found = []
    for row in counts:
        drawn = [groups[technique] for technique, times in enumerate(row) for _ in range(int(times))]
        found.append(pd.concat(drawn).groupby("product")[list(METRICS)].mean())
    return found


def main() -> None:
    """Measure and print."""
    random = np.random.default_rng(7)
    ledgers = [draw(random, WORLD, per=np.full(WORLD.techniques, 2)).ledger for _ in range(PRODUCTS)]
    frames = []
    for number, ledger in enumerate(ledgers):
        rows = ledger.malicious
        frame = pd.DataFrame(ledger.holds[rows].astype(float), columns=list(METRICS))
        frames.append(frame.assign(product=number, cluster=ledger.cluster[rows]))
    confidence._drawn_counts.cache_clear()
    began = time.perf_counter()
    ours = by_matrix(ledgers)
    matrix_s = time.perf_counter() - began
    began = time.perf_counter()
    theirs = by_pandas(pd.concat(frames), resample_counts(WORLD.techniques)[:TIMED])
    loop_s = (time.perf_counter() - began) * RESAMPLES / TIMED
    for product in range(PRODUCTS):
        np.testing.assert_allclose(ours[product][:TIMED], np.stack([one.loc[product].to_numpy() for one in theirs]))
    began = time.perf_counter()
    compare({f"p{number}": ledger for number, ledger in enumerate(ledgers)})
    compare_s = time.perf_counter() - began
    executions = int(ledgers[0].malicious.sum())
    print(
        f"{confidence.RESAMPLES} resamples, {PRODUCTS} products, {len(METRICS)} rates, {WORLD.techniques} techniques, "
        f"{executions} executions each"
    )
    print(f"matrix     {matrix_s:8.2f} s")
    print(f"pandas     {loop_s:8.2f} s (scaled from {TIMED} resamples)   {loop_s / matrix_s:.0f} times the matrix")
    print(f"comparison {compare_s:8.2f} s: all {PRODUCTS * (PRODUCTS - 1) // 2} pairs on five rates, tests and ranks")


if __name__ == "__main__":
    main()
