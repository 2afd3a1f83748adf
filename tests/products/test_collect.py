"""The collector: nothing is lost from the count, nothing is kept without bound, a canary is always found."""

import threading
import time

import pytest

from products.collect import Collector
from products.manifest import Format, Source
from results.errors import Interrupted
from results.records import SourceCount

SOURCE = Source(component="agent", file="/log", format=Format.JSON_LINES, map={"title": "t"})


def make_collector(cap: int = 100, kinds: tuple[str, ...] = ("alerts",)) -> Collector:
    return Collector([(kind, SOURCE) for kind in kinds], lambda _component, _pid: None, cap)


def test_records_come_back_in_order_of_arrival_numbered_without_gaps():
    """Else two reads of a trial could order its alerts differently, or a gap would look like a lost alert."""
    collector = make_collector(kinds=("alerts", "telemetry"))
    for number, (index, line) in enumerate(
        [(0, b'{"t": "x"}'), (1, b'{"t": "y"}'), (0, b"broken"), (0, b'{"t": "z"}')]
    ):
        collector.feed(index, line, number)
    assert [(a.observation_id, a.title) for a in collector.alerts()] == [("a000001", "x"), ("a000002", "z")]
    assert [(t.observation_id, t.title) for t in collector.telemetry()] == [("t000001", "y")]
    assert collector.counts() == (
        SourceCount(component="agent", kind="alerts", received=3, kept=2, unreadable=1, dropped=0),
        SourceCount(component="agent", kind="telemetry", received=1, kept=1, unreadable=0, dropped=0),
    )


def test_a_flood_is_counted_in_full_but_kept_to_the_cap_and_its_canary_is_found():
    """Else a product that floods would fill the memory, or could not be told from one that died."""
    collector = make_collector(cap=1000)
    expect = {"title": "^canary qwertyui$"}
    answers = []
    waiter = threading.Thread(
        target=lambda: answers.append(collector.await_canary(expect, False, 60, threading.Event()))
    )
    collector.await_canary(expect, False, 0, threading.Event())
    waiter.start()
    began = time.monotonic()
    for _ in range(1_000_000):
        collector.feed(0, b'{"t": "noise"}', 1)
    took_s = time.monotonic() - began
    collector.feed(0, b'{"t": "canary qwertyui"}', 2)
    waiter.join(10)
    assert [answer.title for answer in answers] == ["canary qwertyui"]
    assert collector.counts() == (
        SourceCount(component="agent", kind="alerts", received=1_000_001, kept=1000, unreadable=0, dropped=999_001),
    )
    assert took_s < 30


def test_a_canary_that_came_before_it_was_awaited_is_found():
    """Else a fast product would be called not ready."""
    collector = make_collector()
    collector.feed(0, b'{"t": "canary abcdefgh"}', 1)
    answer = collector.await_canary({"any": "abcdefgh"}, False, 0, threading.Event())
    assert answer is not None
    assert answer.title == "canary abcdefgh"


def test_an_old_canary_does_not_answer_a_new_one():
    """Else the flush would be over before it began."""
    collector = make_collector()
    collector.feed(0, b'{"t": "canary abcdefgh"}', 1)
    assert collector.await_canary({"title": "canary zyxwvuts"}, False, 0.05, threading.Event()) is None


def test_every_record_that_answers_a_canary_is_marked_in_alerts_and_telemetry():
    """Else the harness's own act would be scored as a false positive of the product."""
    collector = make_collector(kinds=("alerts", "telemetry"))
    for index in (0, 1, 0):
        collector.feed(index, b'{"t": "canary abcdefgh"}', 1)
    collector.feed(0, b'{"t": "real"}', 1)
    collector.await_canary({"title": "abcdefgh"}, False, 0, threading.Event())
    assert [(a.title, a.canary) for a in collector.alerts()] == [
        ("canary abcdefgh", True),
        ("canary abcdefgh", True),
        ("real", False),
    ]
    assert [t.canary for t in collector.telemetry()] == [True]


def test_a_stop_ends_the_waiting():
    """Else Ctrl-C would have to wait for a product that hangs."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        make_collector().await_canary({"title": "x"}, False, 60, stop)


def test_lines_fed_from_many_threads_are_all_counted():
    """Else two sources of one product could lose each other's lines."""
    collector = make_collector(cap=10_000)
    threads = [
        threading.Thread(target=lambda: [collector.feed(0, b'{"t": "x"}', 1) for _ in range(1000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alerts = collector.alerts()
    assert len({alert.observation_id for alert in alerts}) == len(alerts) == 4000


def test_what_a_product_sent_that_no_product_should_is_told():
    """A flood, times that can't be, terminal escapes in a title: counted, and said on the product's page."""
    source = SOURCE.model_copy(update={"map": {"title": "t", "time": "at"}, "time_format": "epoch_s"})
    collector = Collector([("alerts", source)], lambda _component, _pid: None, 3)
    began_ns = 1_790_000_000 * 10**9
    lines = [
        b'{"t": "\\u001b[2Jx", "at": 1790000001}',
        b'{"t": "y", "at": 1890000000}',
        b'{"t": "z", "at": 1780000000}',
    ]
    for line in [*lines, *lines]:
        collector.feed(0, line, began_ns + 10**9)
    collector.refuse(0, "wrong secret")
    assert collector.conduct(began_ns) == (
        "flood: 3 records of agent's alerts beyond the cap of 3",
        "refused: 1 for agent's alerts: wrong secret",
        "time: 1 records of agent's alerts are dated after their receipt",
        "time: 1 records of agent's alerts are dated more than an hour before the product was deployed",
        "escapes: 1 records of agent's alerts hold control characters in their fields",
    )


def test_a_record_that_a_poll_shows_again_is_read_once():
    """Else an API that lists its alerts would raise each one anew with every poll."""
    listing = SOURCE.model_copy(update={"file": None, "format": Format.JSON, "items": "all", "identity": "id"})
    collector = Collector([("alerts", listing)], lambda _component, _pid: None)
    for seen in (1, 2, 3):
        shown = ", ".join(f'{{"id": {number}, "t": "a", "seen": {seen}}}' for number in range(2))
        collector.take(0, f'{{"all": [{shown}]}}'.encode(), 1, again=True)
    assert [alert.observation_id for alert in collector.alerts()] == ["a000001", "a000002"]
    assert collector.counts()[0].received == 2


def test_a_canary_is_not_waited_for_when_the_product_has_ended():
    gone = threading.Event()
    gone.set()
    assert make_collector().await_canary({"title": "x"}, False, 60, threading.Event(), gone) is None
