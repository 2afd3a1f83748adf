"""Each headline number made twice: ours against a DuckDB query, statsmodels or scipy over the same files.

On the built campaign, and on every published one whose scores are of this scorer.
"""

import numpy as np
import pytest
from scipy.stats import chi2, t
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests

import tests.campaign_builder as builder
from results.confidence import FEWEST
from results.paths import ROOT
from results.records import SCORER_VERSION
from results.scoring import score_campaign
from results.store import query, read_steps, read_summary, read_trial
from tests.campaign_builder import BEGAN, SECOND, build_campaign, make_observation

PUBLISHED = [
    path.parent
    for path in sorted((ROOT / "results" / "published").glob("*/data/summary.json"))
    if f'"scorer_version": "{SCORER_VERSION}"' in path.read_text("utf-8")
]
VALID = "outcome <> 'invalid'"
APPLICABLE = "applicable AND outcome NOT IN ('invalid', 'not_applicable')"
DETECTED = "outcome IN ('alerted', 'prevented')"
WHAT = {
    "prevented": "outcome = 'prevented'",
    "alerted": "outcome = 'alerted'",
    "technique": "outcome = 'alerted' AND category = 'technique'",
    "tactic": "outcome = 'alerted' AND category = 'tactic'",
    "general": "outcome = 'alerted' AND category = 'general'",
    "logged": "outcome = 'logged'",
    "missed": "outcome = 'missed'",
    "visible": "outcome IN ('prevented', 'alerted', 'logged')",
    "detected": DETECTED,
}


ODD = [
    make_observation("a000007", 0.5, pid=1000, techniques=("T1110.001",)),
    make_observation("a000008", 0.0, file_path="/srv/shadow", time_ns=None, received_ns=BEGAN + 50 * SECOND),
    make_observation("a000009", 0.0, file_path="/srv/wipe", time_ns=None, received_ns=BEGAN + 75 * SECOND),
]
"""Beyond the class that `eyes` declares, and without a time of its own."""


@pytest.fixture(
    scope="module", params=["built", "odd", *PUBLISHED], ids=lambda one: getattr(one, "parent", one) and str(one)[-24:]
)
def campaign(request, tmp_path_factory):
    """(folder, summary)."""
    if request.param == "built":
        folder = build_campaign(tmp_path_factory.mktemp("runs"))
        return folder, score_campaign(folder)
    if request.param == "odd":
        with pytest.MonkeyPatch.context() as patch:
            said = builder.alerts_of
            patch.setattr(builder, "alerts_of", lambda arm: [*said(arm), *ODD] if arm == "eyes-default" else said(arm))
            folder = build_campaign(tmp_path_factory.mktemp("runs"))
            return folder, score_campaign(folder)
    return request.param, read_summary(request.param)


def rows(campaign, what):
    """SQL over the verdicts, each with its arm and repetition: `{arm}-r{repetition}` is a trial's id."""
    folder, _summary = campaign
    view = (
        "(SELECT *, regexp_extract(trial_id, '^(.*)-r[0-9]+$', 1) AS arm, "
        "CAST(regexp_extract(trial_id, '-r([0-9]+)$', 1) AS INT) AS repetition FROM verdicts) AS judged"
    )
    return query(folder, what.replace("judged", view, 1))


def arms(campaign):
    return [arm for arm in campaign[1].arms if arm.product is not None]


def clustered_limits(cells, confidence=0.95):
    """Wilson's form with the linearised cluster-robust variance, less for Student's t, written out again.

    Args:
        cells: frame of one row a technique, with `hits` and `n`.
    """
    n, hits, clusters = cells["n"].to_numpy(float), cells["hits"].to_numpy(float), len(cells)
    p, quantile = hits.sum() / n.sum(), 1.959963984540054
    most, least = n.sum(), n.sum() ** 2 / (n**2).sum()
    left = hits - p * n
    variance = (left**2).sum() / n.sum() ** 2 * clusters / max(1, clusters - 1)
    if n.max() <= 1:
        size = most
    elif variance == 0:
        size = least if p in (0, 1) else most
    else:
        kurtosis = clusters * (left**4).sum() / (left**2).sum() ** 2
        told = 2 * clusters / (kurtosis - 1) if kurtosis > 1 + 1e-12 else np.inf
        student = t.ppf(1 - (1 - confidence) / 2, max(told, min(FEWEST, clusters - 1))) if clusters > 1 else quantile
        size = min(most, max(least, p * (1 - p) / variance * (quantile / student) ** 2))
    middle = p + quantile**2 / (2 * size)
    half = quantile * np.sqrt(p * (1 - p) / size + quantile**2 / (4 * size**2))
    return (middle - half) / (1 + quantile**2 / size), (middle + half) / (1 + quantile**2 / size)


@pytest.mark.parametrize("metric", sorted(WHAT))
@pytest.mark.parametrize(("denominator", "where"), [("applicable", APPLICABLE), ("valid", VALID)])
def test_rates_counts_and_intervals(campaign, metric, denominator, where):
    found = rows(
        campaign,
        f"SELECT arm, technique, sum(CAST({WHAT[metric]} AS INT)) AS hits, count(*) AS n FROM judged "
        f"WHERE kind = 'malicious' AND {where} GROUP BY arm, technique",
    )
    for arm in arms(campaign):
        line = next(line for line in arm.rates if (line.metric, line.denominator) == (metric, denominator))
        cells = found[found["arm"] == arm.arm_key]
        assert (line.rate.hits, line.rate.n) == (cells["hits"].sum(), cells["n"].sum())
        if len(cells):
            assert line.macro.value == pytest.approx((cells["hits"] / cells["n"]).mean(), abs=1e-6)
            assert (line.rate.low, line.rate.high) == pytest.approx(clustered_limits(cells), abs=0.02)


def test_the_common_denominator(campaign):
    found = rows(
        campaign,
        f"SELECT arm, step_id, repetition, {DETECTED} AS yes FROM judged WHERE kind = 'malicious' AND {APPLICABLE} "
        "AND arm <> 'control'",
    )
    told = found["arm"].nunique()
    common = found.groupby(["step_id", "repetition"]).filter(lambda group: len(group) == told)
    for arm in arms(campaign):
        line = next(line for line in arm.rates if (line.metric, line.denominator) == ("detected", "common"))
        mine = common[common["arm"] == arm.arm_key]
        assert (line.rate.hits, line.rate.n) == (int(mine["yes"].sum()), len(mine))


def test_what_was_seen_beyond_the_declared_class(campaign):
    """Declared in the trial and in the steps, not in the verdicts: a second way to the same executions."""
    folder, _summary = campaign
    trials = {path.name: read_trial(path) for path in sorted((folder / "trials").glob("*-r*"))}
    if not all((folder / "trials" / name / "steps.parquet").is_file() for name in trials) or not trials:
        pytest.skip("the trials' steps are not at hand")
    components = {
        (name, step.step_id): set(step.data_components)
        for name in trials
        for step in read_steps(folder / "trials" / name)
    }
    found = rows(campaign, f"SELECT * FROM judged WHERE kind = 'malicious' AND {VALID} AND arm <> 'control'")
    outside = [
        bool(trials[row.trial_id].sees and components[row.trial_id, row.step_id])
        and not components[row.trial_id, row.step_id] & set(trials[row.trial_id].sees)
        for row in found.itertuples()
    ]
    for arm in arms(campaign):
        mine = found[np.array(outside) & (found["arm"] == arm.arm_key)]
        seen = mine["outcome"].isin(["prevented", "alerted", "logged"]).sum()
        assert (arm.measures.beyond_class.hits, arm.measures.beyond_class.n) == (seen, len(mine))


def test_specificity_chance_and_youdens_j(campaign):
    found = rows(
        campaign,
        "SELECT arm, kind, count(*) AS n, "
        f"sum(CAST(len(alerts) > 2 OR outcome IN ('disrupted', 'prevented') AS INT)) AS alarms, "
        f"sum(CAST({DETECTED} AS INT)) AS hits FROM judged "
        f"WHERE CASE WHEN kind = 'malicious' THEN {APPLICABLE} ELSE {VALID} END GROUP BY arm, kind",
    ).set_index(["arm", "kind"])
    for arm in arms(campaign):
        if (arm.arm_key, "benign") not in found.index or (arm.arm_key, "malicious") not in found.index:
            continue
        twins, attacks = found.loc[arm.arm_key, "benign"], found.loc[arm.arm_key, "malicious"]
        specificity, hits = 1 - twins["alarms"] / twins["n"], attacks["hits"] / attacks["n"]
        assert arm.measures.specificity.value == pytest.approx(specificity, abs=1e-6)
        assert arm.measures.youden_j.value == pytest.approx(hits + specificity - 1, abs=1e-6)
        assert arm.measures.balanced_accuracy.value == pytest.approx((hits + specificity) / 2, abs=1e-6)
        if (arm.arm_key, "placebo") in found.index:
            placebo = found.loc[arm.arm_key, "placebo"]
            assert (arm.chance.hits, arm.chance.n) == (placebo["alarms"], placebo["n"])


def test_false_alarms_an_hour(campaign):
    """Counts from the attributions, Garwood's limits by scipy's chi-square."""
    folder, summary = campaign
    found = query(
        folder,
        "SELECT a.trial_id, count(*) AS n FROM attributions a LEFT JOIN verdicts v USING (trial_id, step_id) "
        "WHERE alert AND (status = 'unattributed' OR (status = 'attributed' AND v.kind IN ('benign', 'placebo'))) "
        "GROUP BY a.trial_id",
    ).set_index("trial_id")["n"]
    judged = {one.trial_id for one in summary.trials if one.status == "completed"}
    for arm in arms(campaign):
        made = arm.measures.false_positives_per_hour
        total = sum(int(found.get(trial, 0)) for trial in arm.trials if trial in judged)
        if made.value is None or not made.n:
            continue
        assert made.value == pytest.approx(total / (made.n / 3600), rel=0.02 + 1 / made.n, abs=0.05)
        if "(1.00" in made.method and total:
            assert made.low == pytest.approx(chi2.ppf(0.025, 2 * total) / 2 / total * made.value, rel=1e-3)


def test_the_median_delay(campaign):
    """statsmodels' Kaplan-Meier over the same verdicts; the misses end after every alert."""
    found = rows(
        campaign,
        f"SELECT arm, latency_s, len(alerts) > 2 AS some, {DETECTED} AS detected FROM judged "
        f"WHERE kind = 'malicious' AND {APPLICABLE}",
    )
    for arm in arms(campaign):
        mine = found[(found["arm"] == arm.arm_key) & ~(found["some"] & found["latency_s"].isna())]
        made = arm.measures.delays.product
        untimed = found[(found["arm"] == arm.arm_key) & found["detected"] & found["latency_s"].isna()]
        assert made.untimed == len(untimed)
        assert (made.events, made.censored) == (mine["latency_s"].notna().sum(), mine["latency_s"].isna().sum())
        if made.events:
            times = mine["latency_s"].clip(lower=0).fillna(1e6).to_numpy()
            theirs = SurvfuncRight(times, mine["latency_s"].notna().astype(int).to_numpy())
            reached = theirs.surv_times[theirs.surv_prob <= 0.5 + 1e-12]
            median = made.quantiles[0].estimate.value
            assert median == (pytest.approx(reached[0], abs=1e-6) if reached.size else None)


def answers_of(pairs, arm):
    """Series of an arm's answers by (step, repetition)."""
    return pairs[pairs["arm"] == arm].set_index(["step_id", "repetition"])["yes"]


def test_pairs_by_query_and_by_statsmodels(campaign):
    _folder, summary = campaign
    if summary.comparison is None:
        pytest.skip("one arm")
    pairs = rows(
        campaign,
        f"SELECT arm, step_id, repetition, {DETECTED} AS yes FROM judged WHERE kind = 'malicious' AND {APPLICABLE}",
    )
    adjusted = []
    for one in summary.comparison.contrasts:
        if one.metric != "detected" or not one.tests:
            continue
        first, second = (answers_of(pairs, arm) for arm in (one.first, one.second))
        both = first.to_frame("a").join(second.rename("b"), how="inner")
        table = [
            [int((both["a"] & both["b"]).sum()), int((both["a"] & ~both["b"]).sum())],
            [int((~both["a"] & both["b"]).sum()), int((~both["a"] & ~both["b"]).sum())],
        ]
        assert (one.n, one.first_only, one.second_only) == (len(both), table[0][1], table[1][0])
        assert one.difference.value == pytest.approx(both["a"].mean() - both["b"].mean(), abs=1e-6)
        for test in one.tests:
            if test.name == "mcnemar":
                assert test.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-6)
        adjusted.append(one)
    holm = multipletests([one.tests[0].p_value for one in adjusted], method="holm")[1] if adjusted else []
    assert [one.p_holm for one in adjusted] == pytest.approx(list(holm), abs=1e-5)


def test_cochrans_q_by_query_and_by_statsmodels(campaign):
    _folder, summary = campaign
    tests = summary.comparison.overall.get("detected", ()) if summary.comparison else ()
    found = {test.name: test for test in tests}
    if "cochran_q" not in found:
        pytest.skip("the arms share no execution, or several of a step")
    told = rows(
        campaign,
        f"SELECT arm, step_id, repetition, {DETECTED} AS yes FROM judged WHERE kind = 'malicious' AND {APPLICABLE} "
        "AND arm <> 'control'",
    )
    table = told.pivot(index=["step_id", "repetition"], columns="arm", values="yes").dropna().astype(int)
    assert found["cochran_q"].p_value == pytest.approx(cochrans_q(table.to_numpy()).pvalue, abs=1e-6)
