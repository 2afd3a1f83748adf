"""Attribution, kind by kind (scoring.md §2)."""

from results.records import AttributionStatus, Kind, Objects, StepKind
from tests.campaign_builder import make_observation, make_step, make_trial
from tests.results import by_column

NAMES = {"target": ("srv-app01", "10.0.0.2"), "attacker": ("ws", "10.0.0.3")}
LATENCY_S = 2.0


def attribute(observation, *steps, names=NAMES):
    trial = make_trial(node_names=names, latency_s=LATENCY_S)
    ((claim,), _evidence, _times) = by_column.attribute(steps, trial, [observation])
    return claim.status, claim.step_id, claim.kind


def test_an_alert_that_names_the_only_step_of_a_node_is_attributed_by_container():
    """Else a product that knows hosts but no processes would get nothing."""
    steps = make_step("guess", 0, node="attacker"), make_step("cron", 1), make_step("look", 2)
    found = attribute(make_observation("a1", 900.0, node="10.0.0.3"), *steps)
    assert found == (AttributionStatus.ATTRIBUTED, "guess", Kind.CONTAINER)


def test_a_pid_of_the_steps_tree_is_lineage():
    steps = make_step("cron", 0), make_step("look", 1)
    assert attribute(make_observation("a1", 0.5, pid=1000), *steps) == (
        AttributionStatus.ATTRIBUTED,
        "cron",
        Kind.LINEAGE,
    )


def test_a_parent_pid_of_the_steps_tree_is_lineage_too():
    steps = make_step("cron", 0), make_step("look", 1)
    found = attribute(make_observation("a1", 0.5, pid=77, parent_pid=1000), *steps)
    assert found == (AttributionStatus.ATTRIBUTED, "cron", Kind.LINEAGE)


def test_a_pid_that_was_used_again_goes_to_the_process_that_lived_then():
    """Else pids that wrap around would give an alert to the wrong step."""
    first, second = make_step("cron", 0), make_step("look", 9)
    reused = second.processes[0].model_copy(update={"pid": 1000})
    second = second.model_copy(update={"processes": (reused,)})
    assert attribute(make_observation("a1", 90.5, pid=1000), first, second)[1] == "look"
    assert attribute(make_observation("a1", 0.5, pid=1000), first, second)[1] == "cron"


def test_an_object_that_one_step_alone_touched_is_evidence_long_after_it():
    steps = make_step("cron", 0), make_step("look", 1)
    found = attribute(make_observation("a1", 500.0, file_path="/srv/cron"), *steps)
    assert found == (AttributionStatus.ATTRIBUTED, "cron", Kind.OBJECT)


def test_a_folder_that_a_step_touched_holds_its_files():
    step = make_step("cron", 0, objects=Objects(files=("/var/spool/",)))
    assert attribute(make_observation("a1", 500.0, file_path="/var/spool/a/b"), step)[2] is Kind.OBJECT


def test_an_object_that_two_steps_touched_is_decided_by_time_if_time_can():
    both = Objects(files=("/etc/passwd",))
    steps = make_step("cron", 0, objects=both), make_step("look", 5, objects=both)
    found = attribute(make_observation("a1", 50.5, file_path="/etc/passwd"), *steps)
    assert found == (AttributionStatus.ATTRIBUTED, "look", Kind.TIME)


def test_an_object_that_two_steps_touched_is_ambiguous_if_nothing_decides():
    """Else one of them would be credited by the throw of a coin."""
    both = Objects(files=("/etc/passwd",))
    steps = make_step("cron", 0, objects=both), make_step("look", 1, objects=both)
    assert attribute(make_observation("a1", 500.0, file_path="/etc/passwd"), *steps)[0] is AttributionStatus.AMBIGUOUS


def test_a_step_that_began_after_the_alert_cannot_have_caused_it():
    both = Objects(files=("/etc/passwd",))
    steps = make_step("cron", 0, objects=both), make_step("look", 5, objects=both)
    found = attribute(make_observation("a1", 20.0, file_path="/etc/passwd"), *steps)
    assert found == (AttributionStatus.ATTRIBUTED, "cron", Kind.OBJECT)


def test_the_window_of_a_step_ends_with_the_declared_latency():
    step = make_step("cron", 0)
    assert attribute(make_observation("a1", 2.9), step) == (AttributionStatus.ATTRIBUTED, "cron", Kind.TIME)
    assert attribute(make_observation("a1", 3.1), step) == (AttributionStatus.UNATTRIBUTED, None, None)


def test_an_alert_without_a_time_is_placed_by_its_receipt():
    step = make_step("cron", 0)
    assert attribute(make_observation("a1", 0.5, time_ns=None), step)[0] is AttributionStatus.ATTRIBUTED


def test_an_alert_that_names_another_node_is_not_attributed_by_time():
    steps = make_step("cron", 0), make_step("look", 1), make_step("guess", 2, node="attacker")
    steps = (*steps, make_step("enter", 3, node="attacker"))
    assert attribute(make_observation("a1", 0.5, node="ws"), *steps)[0] is AttributionStatus.UNATTRIBUTED


def test_an_alert_on_a_node_that_a_step_acts_on_may_be_its_doing():
    """Else nothing that a server does for a request could be the doing of who sent it."""
    steps = (
        make_step("ask", 0, node="attacker", objects=Objects(nodes=("target",))),
        make_step("scan", 4, node="attacker"),
        make_step("look", 8),
    )
    found = attribute(make_observation("a1", 0.5, node="srv-app01"), *steps)
    assert found == (AttributionStatus.ATTRIBUTED, "ask", Kind.TIME)
    assert attribute(make_observation("a2", 40.5, node="srv-app01"), *steps)[0] is AttributionStatus.UNATTRIBUTED
    assert attribute(make_observation("a3", 80.5, node="srv-app01"), *steps)[1:] == ("look", Kind.TIME)


def test_what_the_canary_caused_is_the_harness_own():
    canary = make_step("canary-ready-1", 0, kind=StepKind.CANARY)
    assert attribute(make_observation("a1", 0.5, pid=1000), canary)[0] is AttributionStatus.HARNESS
    assert attribute(make_observation("a1", 0.5, canary=True), make_step("cron", 0))[0] is AttributionStatus.HARNESS


def test_what_ran_in_no_node_of_the_trial_is_the_harness_own():
    """Else a sensor on the engine host would be blamed for alerts on another trial."""
    assert attribute(make_observation("a1", 0.5, outside=True), make_step("cron", 0))[0] is AttributionStatus.HARNESS


def test_a_step_that_was_not_run_gets_nothing():
    step = make_step("cron", 0, started_ns=None, ended_ns=None, processes=(), not_run="it needs another")
    assert attribute(make_observation("a1", 0.5, file_path="/srv/cron"), step)[0] is AttributionStatus.UNATTRIBUTED
