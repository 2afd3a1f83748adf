"""What a product costs where a counter is not one: disks whose kernel says 0 whatever is written."""

import pytest

from pipelines.overhead_page import cost_rows
from results.assess import TrialRows, assess
from results.costs import NEVER_COUNTED, costs, never_counted
from results.measures_page import _cost
from results.records import ResourceSample
from results.volume import Tally
from results.wording import words
from tests.campaign_builder import BEGAN, SECOND, make_step, make_trial

NODES = ("target",)


def samples(container, *disk, **more):
    """One sample a second: what the counter of reads says; None where it says nothing."""
    return [
        ResourceSample(time_ns=BEGAN + n * SECOND, container=container, cpu_s=float(n), memory_bytes=100,
                       disk_read_bytes=read, **more)
        for n, read in enumerate(disk)
    ]  # fmt: skip


def rows(arm, *found, **more):
    trial = make_trial(product=None if arm == "control" else "eyes", node_names={"target": ("target",)}, **more)
    return TrialRows(arm, trial, [make_step("cron", 0)], (), Tally(), [one for part in found for one in part])


def read_costs(*trials):
    """Arm -> cost of reading in a campaign."""
    found = assess(trials, ())
    return {
        arm: next(cost for cost in one.measures.costs if cost.resource == "disk_read_bytes")
        for arm, one in found.items()
        if one.measures is not None
    }


def test_a_disk_counter_that_is_0_everywhere_in_a_campaign_was_not_counted():
    """Older records hold such a 0: as an amount it would say that no product ever touches a disk."""
    control = rows("control", samples("target", 0, 0))
    product = rows("eyes-default", samples("target", 0, 0), samples("agent", 0, 0))
    cost = read_costs(control, product)["eyes-default"]
    assert [(one.value, one.low, one.n, one.reason) for one in (cost.own, cost.on_nodes)] == [
        (None, None, 0, NEVER_COUNTED),
        (None, None, 0, NEVER_COUNTED),
    ]


@pytest.mark.parametrize("where", ["control", "another arm", "another container"])
def test_a_0_beside_any_byte_of_the_same_campaign_is_an_amount(where):
    """A product that reads nothing is told from a kernel that counts nothing by what others have read."""
    control = rows("control", samples("target", 0, 7 if where == "control" else 0))
    other = rows("eyes-tuned", samples("target", 0, 0), samples("agent", 0, 7 if where == "another arm" else 0))
    more = samples("intake", 0, 7) if where == "another container" else []
    product = rows("eyes-default", samples("target", 0, 0), samples("agent", 0, 0), more)
    assert read_costs(control, other, product)["eyes-default"].own.value == 0.0


def test_a_counter_that_the_kernel_does_not_have_is_no_amount_either():
    cost = read_costs(rows("eyes-default", samples("target", None, None), samples("agent", None, None)))
    assert cost["eyes-default"].own.value is None
    assert cost["eyes-default"].own.reason == NEVER_COUNTED


def test_only_counters_of_the_disk_are_doubted():
    """A container without a network truly sends nothing."""
    found = samples("agent", 0, 0, network_in_bytes=0, network_out_bytes=0)
    assert never_counted([found]) == {"disk_read_bytes", "disk_write_bytes"}
    by_name = {cost.resource: cost for cost in costs([(7, found, NODES)], {}, never_counted([found]))}
    assert by_name["network_in_bytes"].own.value == 0.0


def test_what_was_not_counted_stands_as_a_dash_with_its_reason_on_every_page():
    cost = read_costs(rows("eyes-default", samples("agent", 0, 0)))["eyes-default"]
    (row,) = cost_rows({"eyes-default": (cost,)})
    assert row["own containers"] == f"– ({NEVER_COUNTED})"
    english, japanese = (_cost(cost, words(language), language)[1] for language in ("en", "ja"))
    assert english == f"– ({NEVER_COUNTED})"
    assert japanese == "– (計測されていない：評価全体のどのコンテナのどの標本でも0または値なし)"
