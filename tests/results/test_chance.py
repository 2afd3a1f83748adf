"""What chance explains: random windows, and names given at random."""

from types import SimpleNamespace

from attacks.catalogue import load_catalogue
from results.chance import RandomWindows, naming_luck, windows_share
from results.criteria import lend
from results.judging import judge_sealed
from results.metrics import wilson
from results.records import Category, Outcome, StepKind
from results.store import write_trial
from tests.campaign_builder import make_observation, make_step, make_trial, steps_of

CATALOGUE = load_catalogue()


def judged(tmp_path, steps, alerts):
    partial = tmp_path / ".eyes-default-r1.partial"
    trial = make_trial()
    write_trial(partial, trial, steps, alerts, [], [])
    control = {step.step_id: step for step in steps}
    return judge_sealed(partial, trial, "", tuple(steps), control, CATALOGUE, lambda _table: None)


def spread():
    """Three malicious steps with a long quiet time between them."""
    return [make_step(name, position) for name, position in (("cron", 0), ("look", 10), ("pack", 18))]


def test_who_says_the_right_words_all_the_time_is_seen_by_random_windows(tmp_path):
    """Else luck with the time would look like detection."""
    words = "cron look pack"
    alerts = [make_observation(f"a{n:06d}", n / 2, command_line=words) for n in range(400)]
    found = judged(tmp_path, spread(), alerts)
    assert found.windows.n > 5
    assert found.windows.hits == found.windows.n


def test_who_alerts_on_the_steps_alone_has_no_luck_with_windows(tmp_path):
    alerts = [make_observation("a000001", 0.5, pid=1000), make_observation("a000002", 100.5, pid=1010)]
    found = judged(tmp_path, spread(), alerts)
    assert (found.windows.hits, found.windows.n > 5) == (0, True)


def test_the_windows_of_a_trial_are_the_same_each_time_and_touch_no_attack():
    steps, trial = spread(), make_trial()
    first, second = (RandomWindows(trial, lend(steps, trial.seed)) for _again in range(2))
    assert [step.started_ns for step in first._matcher.steps] == [step.started_ns for step in second._matcher.steps]
    late = int(trial.latency_s * 1e9)
    for window in first._matcher.steps:
        assert all(
            window.started_ns > step.ended_ns + late or window.ended_ns + late < step.started_ns for step in steps
        )


def test_windows_of_trials_that_differ_say_less():
    """None of 20 and half of 20 are no 40 windows of one kind: chi-square 13.3 over one degree of freedom."""
    apart, alike = windows_share([wilson(0, 20), wilson(10, 20), None]), windows_share([wilson(5, 20), wilson(5, 20)])
    assert (apart.hits, apart.n, apart.value) == (alike.hits, alike.n, alike.value) == (10, 40, 0.25)
    assert (alike.low, alike.high) == (wilson(10, 40).low, wilson(10, 40).high)
    assert apart.low < 0.08
    assert apart.high > 0.7
    assert windows_share([wilson(0, 20), wilson(0, 20)]) == wilson(0, 40)


def test_a_control_and_a_plan_without_criteria_have_no_windows():
    assert RandomWindows(make_trial("control-r1"), spread()).share().value is None
    bare = [step.model_copy(update={"criteria": ()}) for step in spread()]
    assert RandomWindows(make_trial(), bare).share().value is None


def test_naming_every_technique_is_luck_and_naming_the_right_one_is_none(tmp_path):
    """Else a product that names sixty techniques in each alert would be the best of all."""
    malicious = [step for step in steps_of() if step.kind is StepKind.MALICIOUS]

    def alerts(names):
        return [
            make_observation(f"a{n:06d}", 10.0 * n + 0.5, pid=1000 + n, techniques=names(step))
            for n, step in enumerate(malicious)
        ]

    everything = judged(tmp_path / "all", steps_of(), alerts(lambda _step: tuple(CATALOGUE.techniques)))
    exact = judged(tmp_path / "one", steps_of(), alerts(lambda step: (step.technique,)))
    assert naming_luck(everything.verdicts).value == 1.0
    assert naming_luck(exact.verdicts).value == 0.0


def test_pairs_of_techniques_are_no_draws_of_their_own():
    """One name that is given everywhere is right by luck again and again, and says one thing."""
    names = [f"T{1000 + number}" for number in range(12)]
    verdicts = [
        SimpleNamespace(
            kind=StepKind.MALICIOUS,
            technique=name,
            category=Category.TECHNIQUE,
            outcome=Outcome.ALERTED,
            applicable=True,
            wrong_techniques=("T1000",) if n else (),
        )
        for n, name in enumerate(names)
    ]
    found = naming_luck(verdicts)  # type: ignore[arg-type]
    assert (found.hits, found.n, found.clusters) == (11, 132, 12)
    assert found.high > 2 * wilson(11, 132).high
