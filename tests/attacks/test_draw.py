"""What the seed decides: the values, the order, and nothing else."""

import re

from hypothesis import given
from hypothesis import strategies as st

from attacks.draw import arrange, begins, draw_values, fill, fill_step, realise
from attacks.plan import Alternative, Baseline, Drawn, Fact, Plan, Step, Touches
from results.records import Condition, StepKind, Text

SEEDS = st.integers(min_value=0, max_value=2**48)
TEXT = Text(en="one", ja="一")
DRAW = {
    "word": Drawn(one_of=("sync", "rotate", "report")),
    "port": Drawn(between=(20000, 30000)),
    "file": Drawn(pattern="??-##.log"),
}


def plan(steps: tuple[Step, ...] = (), draw: dict[str, Drawn] | None = None) -> Plan:
    return Plan(
        id="one",
        title=TEXT,
        narrative=TEXT,
        sources=(),
        environment="site",
        draw=DRAW if draw is None else draw,
        steps=steps,
    )


def step(name: str, kind: StepKind, needs: tuple[str, ...] = ()) -> Step:
    return Step(id=name, kind=kind, node="target", user="root", needs=needs)


@st.composite
def sound_steps(draw: st.DrawFn) -> tuple[Step, ...]:
    """Steps as lint lets them pass: each needs earlier ones only, a malicious one only malicious ones."""
    steps: list[Step] = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from([StepKind.MALICIOUS, StepKind.BENIGN, StepKind.PLACEBO]))
        earlier = [s.id for s in steps if kind is not StepKind.MALICIOUS or s.kind is StepKind.MALICIOUS]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        steps.append(step(f"s{number}", kind, tuple(needs)))
    return tuple(steps)


def test_a_seed_draws_the_same_values_on_every_machine_and_python():
    """Else a published campaign could not be repeated, and a product's trials would not be paired."""
    assert draw_values(plan(), 7) == {"word": "report", "port": "27331", "file": "xr-54.log"}
    assert draw_values(plan(), 8) == {"word": "sync", "port": "23475", "file": "ay-93.log"}


@given(SEEDS)
def test_every_drawn_value_is_what_its_definition_allows(seed):
    """Else an oracle or a criterion would look for something that cannot be."""
    values = draw_values(plan(), seed)
    assert values["word"] in DRAW["word"].one_of
    assert 20000 <= int(values["port"]) <= 30000
    assert re.fullmatch(r"[a-z]{2}-[0-9]{2}\.log", values["file"])


@given(SEEDS)
def test_adding_a_value_leaves_the_others_as_they_were(seed):
    """Else a new value in a plan would change every name in it, and old trials would not compare."""
    more = draw_values(plan(draw={"aaa": Drawn(pattern="????"), **DRAW}), seed)
    assert {name: more[name] for name in DRAW} == draw_values(plan(), seed)


@given(sound_steps(), SEEDS)
def test_every_step_runs_once_and_the_attack_keeps_its_order(steps, seed):
    """Else a seed could lose a step, or turn the chain of the attack around."""
    arranged = arrange(plan(steps), seed)
    assert sorted(s.id for s in arranged) == sorted(s.id for s in steps)
    assert [s for s in arranged if s.kind is StepKind.MALICIOUS] == [s for s in steps if s.kind is StepKind.MALICIOUS]


@given(sound_steps(), SEEDS)
def test_no_step_runs_before_one_that_it_needs(steps, seed):
    """Else it would fail for our own fault and be called not run."""
    order = {s.id: position for position, s in enumerate(arrange(plan(steps), seed))}
    assert [(s.id, needed) for s in steps for needed in s.needs if order[needed] > order[s.id]] == []


@given(sound_steps(), SEEDS)
def test_the_same_seed_arranges_the_same_way(steps, seed):
    """Else two products would not have seen the same trial."""
    assert arrange(plan(steps), seed) == arrange(plan(steps), seed)


def test_over_the_seeds_a_benign_step_is_put_in_every_place():
    """Else benign work would always come at the end, where a product could learn to expect it."""
    malicious = tuple(step(f"m{number}", StepKind.MALICIOUS) for number in range(4))
    one = plan((*malicious, step("twin", StepKind.BENIGN)))
    places = {[s.id for s in arrange(one, seed)].index("twin") for seed in range(100)}
    assert places == {0, 1, 2, 3, 4}


def test_a_value_stands_for_itself_in_a_pattern():
    """Else the dot of an address or of a file name would match anything, and the evidence prove nothing."""
    values = {"file": "a.b+c"}
    assert fill("^/tmp/#{file}$ #{other}", values) == "^/tmp/a.b+c$ #{other}"
    assert fill("^/tmp/#{file}$", values, pattern=True) == r"^/tmp/a\.b\+c$"


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(), min_size=2))
def test_filling_in_is_done_once(values):
    """Else a value that looks like `#{b}` would be replaced again."""
    again = {name: text + "#{a}#{b}" for name, text in values.items()}
    assert fill("#{a}|#{b}", again) == f"{again['a']}|{again['b']}"


@given(st.text(min_size=1))
def test_a_filled_pattern_matches_exactly_its_value(text):
    """Else a criterion would not be met by the very record that shows the step."""
    assert re.fullmatch(fill("x#{a}y", {"a": text}, pattern=True), f"x{text}y") is not None


def test_every_field_of_a_step_gets_its_values_and_its_own_arguments_go_first():
    """Else an oracle would look for a file named `#{file}`."""
    before = step("one", StepKind.MALICIOUS).model_copy(
        update={
            "arguments": {"path": "/srv/#{file}", "port": "80"},
            "verify": (
                Fact(file="#{path}", contains="^#{attacker}:#{port}$", lacks="#{word}"),
                Fact(stdout="#{word}"),
                Fact(process="nc #{attacker}", alive=True),
            ),
            "criteria": ((Condition(field="file_path", matches="^#{path}$"),),),
            "touches": Touches(files=("#{path}",), users=("#{word}",), connections=("#{attacker}:#{port}",)),
        }
    )
    values = {"file": "a.log", "port": "20000", "word": "c++", "attacker": "10.0.0.2"}
    assert fill_step(before, values) == before.model_copy(
        update={
            "arguments": {"path": "/srv/a.log", "port": "80"},
            "verify": (
                Fact(file="/srv/a.log", contains=r"^10\.0\.0\.2:80$", lacks=r"c\+\+"),
                Fact(stdout=r"c\+\+"),
                Fact(process=r"nc 10\.0\.0\.2", alive=True),
            ),
            "criteria": ((Condition(field="file_path", matches=r"^/srv/a\.log$"),),),
            "touches": Touches(files=("/srv/a.log",), users=("c++",), connections=("10.0.0.2:80",)),
        }
    )


def varied(**changes) -> Plan:
    """A plan that uses every kind of variant."""
    ways = (Alternative(procedure=GUIDS[1]), Alternative(procedure=GUIDS[2], arguments={"file": "#{file}"}))
    steps = [
        Step(id=f"look{n}", node="target", user="#{user}", procedure=GUIDS[0], shuffle="look", alternatives=ways,
             shells=("bash", "sh"), needs=("look0",) if n == 3 else ())
        for n in range(4)
    ]  # fmt: skip
    draw = DRAW | {"user": Drawn(one_of=("tanaka", "suzuki"))}
    whole = plan((*steps, step("last", StepKind.MALICIOUS)), draw)
    return whole.model_copy(update=changes)


GUIDS = tuple(f"{n}{n}{n}{n}{n}{n}{n}{n}-1111-4111-8111-111111111111" for n in "123")


@given(SEEDS)
def test_the_same_seed_gives_the_same_steps_and_respects_their_needs(seed):
    """Else a product's trial and its control would not be paired, or a step would run before what it needs."""
    first, second = realise(varied(), seed, {}), realise(varied(), seed, {})
    assert first == second
    order = [one.id for one, _at_s in first]
    assert sorted(order[:4]) == ["look0", "look1", "look2", "look3"]
    assert order[4] == "last"
    assert order.index("look0") < order.index("look3")
    for one, at_s in first:
        assert at_s is None
        assert one.alternatives == ()
        assert len(one.shells) == (0 if one.id == "last" else 1)
        assert "#{" not in one.user


def test_seeds_differ_in_order_way_shell_and_user():
    """Else the variants would be there in name only."""
    found = [realise(varied(), seed, {}) for seed in range(60)]
    assert len({tuple(one.id for one, _at_s in steps) for steps in found}) >= 6
    assert {one.procedure for steps in found for one, _at_s in steps if one.id == "look0"} == set(GUIDS)
    assert {one.shells for steps in found for one, _at_s in steps if one.id == "look0"} == {("bash",), ("sh",)}
    assert {one.user for steps in found for one, _at_s in steps if one.id == "look0"} == {"tanaka", "suzuki"}


def test_adding_a_variant_to_one_step_changes_no_other():
    """Else every published seed would mean something else after any edit of a plan."""
    before = {one.id: one for one, _at_s in realise(varied(), 7, {})}
    steps = [s if s.id != "last" else s.model_copy(update={"shells": ("bash", "sh")}) for s in varied().steps]
    after = {one.id: one for one, _at_s in realise(varied(steps=tuple(steps)), 7, {})}
    assert {name: one for name, one in after.items() if name != "last"} == {
        name: one for name, one in before.items() if name != "last"
    }


@given(SEEDS)
def test_a_baseline_spreads_its_actions_over_the_day_with_new_names_each_time(seed):
    """Else ordinary work would come in a block, or an action would find what the last one left."""
    action = Step(id="copy", kind=StepKind.BENIGN, node="target", user="root", arguments={"to": "/tmp/#{file}"},
                  occurs=(3, 6), during=(0.5, 1.0))  # fmt: skip
    whole = plan((action,), {"file": Drawn(pattern="????????")})
    day = whole.model_copy(update={"baseline": Baseline(duration_s=1800, compress=60)})
    found = realise(day, seed, {})
    assert realise(day, seed, {}) == found
    assert 3 <= len(found) <= 6
    times = [at_s for _one, at_s in found]
    assert times == sorted(times)
    assert all(900 <= (at_s or 0) <= 1800 for at_s in times)
    assert len({one.arguments["to"] for one, _at_s in found}) == len(found)
    assert begins(found, day.baseline) == [(at_s or 0) / 60 for at_s in times]
