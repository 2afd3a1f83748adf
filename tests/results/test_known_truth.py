"""The quick version of `python -m benchmarks.known_truth`: few campaigns, the same code, fixed seeds."""

from collections import defaultdict

import pytest

from benchmarks import known_truth
from benchmarks.known_truth_page import write_pages


@pytest.fixture(scope="module")
def lines():
    return known_truth.simulate(6, processes=1)


def shares(lines, part):
    """What -> share over all worlds of a part."""
    counts = defaultdict(lambda: [0, 0])
    for line in lines:
        if line.part == part:
            counts[line.what][0] += line.hits
            counts[line.what][1] += line.n
    return {what: hits / n for what, (hits, n) in counts.items() if n}


def test_intervals_hold_what_was_set(lines):
    """Far from 95 % here means a wrong formula, not chance: the full run is in docs/validation."""
    found = shares(lines, "coverage")
    used = {what: share for what, share in found.items() if "not used" not in what}
    assert {what for what, share in used.items() if share < 0.85} == set()
    assert found["rate by percentiles (not used)"] < found["rate"]


def test_equal_products_are_seldom_called_different(lines):
    assert {what for what, share in shares(lines, "error").items() if share > 0.17} == set()


def test_all_places_hold_at_once(lines):
    assert shares(lines, "ranks")["all hold"] >= 0.9


def test_the_stopping_rule_seldom_stops_for_a_difference_that_is_none(lines):
    alike = [line for line in lines if line.part == "sequential" and "60 % against 60%" in line.name]
    apart = [line for line in lines if line.part == "sequential" and "60 % against 30%" in line.name]
    wrong, right = (
        sum(line.hits for line in chosen if line.what == "called different")
        / sum(line.n for line in chosen if line.what == "called different")
        for chosen in (alike, apart)
    )
    assert wrong <= 0.07 < 0.4 <= right


def test_power_is_about_what_the_helper_says(lines):
    predicted = known_truth.predictions()
    off = [line.share - predicted[line.name] for line in lines if line.part == "power"]
    assert abs(sum(off) / len(off)) < 0.2


def test_the_page_shows_every_world_and_its_plots_are_small(lines, tmp_path):
    paths = write_pages(tmp_path, lines, known_truth.predictions(), 6)
    page = paths[0].read_text("utf-8")
    assert {line.what for line in lines if line.part != "power" and line.what not in page} == set()
    assert {name.split(";")[0] for name in (line.name for line in lines) if name.split(";")[0] not in page} == set()
    assert all(path.stat().st_size < 100_000 for path in paths)
