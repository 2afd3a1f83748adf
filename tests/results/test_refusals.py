"""What can't be compared or asked is refused by file, field, what was found, what is allowed, and how to mend it."""

import json
import re
import shutil

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from attacks.catalogue import load_catalogue
from pipelines.campaign import prepare_parts
from pipelines.command import app
from results.adjudication import require_verdict
from results.comparison import COMPARED, DELAY
from results.disputes import dispute, open_window
from results.errors import ContentError, EvaluationError, SealError, several
from results.journal import read_journal
from results.preview import write_preview
from results.publish import publish_campaign
from results.ranks import read_weights
from results.reading import read_book, require_distinct, require_same
from results.recognition import GAUGED
from results.scoring import _require_comparable, score_campaign
from results.seal import seal_trial
from results.sequential import Rule
from results.stopping import settled_pairs
from results.store import read_campaign, read_trial, sealed_trials
from tests.campaign_builder import BEGAN, build_campaign

OTHER = "enterprise 17.0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_campaign(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = build_campaign(tmp_path_factory.mktemp("runs"))
    score_campaign(folder)
    return folder


@pytest.fixture(scope="module")
def of_folder(folder):
    """(campaign, catalogue, trials) as scoring reads them."""
    trials = {path.name: read_trial(path) for path in sealed_trials(folder)}
    return read_campaign(folder), load_catalogue(), trials


def test_what_was_measured_alike_is_comparable(folder, of_folder):
    _require_comparable(folder, *of_folder)


def test_trials_of_two_attack_releases_are_refused_by_the_trials_names(folder, of_folder):
    campaign, catalogue, trials = of_folder
    mixed = trials | {"eyes-default-r1": trials["eyes-default-r1"].model_copy(update={"attack_release": OTHER})}
    with pytest.raises(EvaluationError) as refused:
        _require_comparable(folder, campaign, catalogue, mixed)
    told = str(refused.value)
    assert told.startswith(f"{folder}/trials/*/trial.json: attack_release: found {OTHER} in eyes-default-r1; ")
    assert "allowed: one for all trials of a campaign. Take out the trials" in told


def test_the_odd_trials_out_are_named_and_not_the_forty_good_ones(folder, of_folder):
    """Else the one trial that must be taken out stands in a page of names."""
    campaign, catalogue, trials = of_folder
    (good, *_) = (one for one in trials.values() if one.product)
    many = {f"eyes-default-r{n}": good for n in range(1, 41)}
    many["eyes-default-r17"] = good.model_copy(update={"plan_digest": "q" * 64})
    with pytest.raises(EvaluationError) as refused:
        _require_comparable(folder, campaign, catalogue, many)
    assert f"plan_digest: found {'q' * 40} in eyes-default-r17; {'p' * 40} in the other 39; allowed: one for all" in (
        str(refused.value)
    )
    halves = {f"{name}-{n}": one for name, one in many.items() for n in range(1, 9)}
    with pytest.raises(EvaluationError) as refused:
        _require_comparable(folder, campaign, catalogue, halves)
    assert "r17-1, eyes-default-r17-2" in str(refused.value)
    assert "eyes-default-r17-6, and 2 more; " in str(refused.value)


def test_a_message_names_a_handful_the_likely_ones_first():
    names = [f"alpha-r{n}" for n in range(1, 41)]
    assert several(names) == "alpha-r1, alpha-r2, alpha-r3, alpha-r4, alpha-r5, alpha-r6, and 34 more"
    assert several([*names, "omega-r1"], near="omgea-r1").startswith("omega-r1, ")
    assert several([], near="x", nothing="none yet") == "none yet"
    assert several(["one", "two"], near="two") == "one, two"


def test_long_lists_of_what_is_allowed_are_cut(tmp_path, monkeypatch):
    monkeypatch.setenv("PIJ_RUNS", str(tmp_path))
    folder = build_campaign(tmp_path)
    score_campaign(folder)
    with pytest.raises(EvaluationError, match=r"allowed: a step of eyes-default-r1: shadow, .*, and 7 more\. Check"):
        require_verdict(folder, "eyes-default-r1", "shadwo")
    for number in range(40):
        (tmp_path / f"other_{number}").mkdir()
        (tmp_path / f"other_{number}" / "campaign.json").touch()
    for words in (("score", "dmeo"), ("people", "dmeo"), ("show", "dmeo/a/b")):
        output = said(*words)
        assert "allowed: demo, other_0, " in output
        assert "and 35 more" in output
    with pytest.raises(ContentError, match=r"allowed: auditd_laurel-sigma, .*, and 13 more\. Name an arm"):
        prepare_parts("fleet_linux", only=("auditd_laurel_sigma",))


def test_trials_of_another_attack_release_than_their_campaign_are_refused(folder, of_folder):
    """All trials agree with each other: only the campaign's own record says otherwise."""
    campaign, catalogue, trials = of_folder
    moved = {name: one.model_copy(update={"attack_release": OTHER}) for name, one in trials.items()}
    with pytest.raises(EvaluationError) as refused:
        _require_comparable(folder, campaign, catalogue, moved)
    first = next(iter(trials))
    assert str(refused.value) == (
        f"{folder}/trials/{first}/trial.json: attack_release: found {OTHER}; allowed: {campaign.attack_release}, with "
        "which the campaign was begun. Run it again with `--fresh`."
    )


def test_a_catalogue_of_another_attack_release_than_the_campaign_is_refused(folder, of_folder):
    """Else names would be read by another release than the one that the trials were run with."""
    campaign, catalogue, trials = of_folder
    with pytest.raises(EvaluationError) as refused:
        _require_comparable(folder, campaign, catalogue.model_copy(update={"release": OTHER}), trials)
    assert str(refused.value) == (
        f"{folder}/attack.json: release: found {OTHER}; allowed: {campaign.attack_release}, with which the campaign "
        "was begun. Put that release's file back, or run the campaign again with `--fresh`."
    )


@pytest.mark.parametrize("change", [{"metric": "speed"}, {"level": 0.7}, {"margin": 2.0}])
def test_a_stopping_rule_that_makes_no_sense_is_refused_by_its_file(scored, change):
    rule = Rule(looks=2, **{name: value for name, value in change.items() if name != "metric"})
    with pytest.raises(EvaluationError) as refused:
        settled_pairs(scored, ["eyes-default", "gate-default"], change.get("metric", "alerted"), rule, done=2)
    (field, found), told = *change.items(), str(refused.value)
    assert re.match(rf"{re.escape(str(scored))}/campaign\.json: stopping[.:] ?{field}\b.*: found '?{found}'?; ", told)
    assert re.search(r"allowed: .*\. (Name|Give) one ", told)


def test_campaigns_that_were_not_measured_alike_are_refused_by_their_files(scored, tmp_path):
    shutil.copytree(scored, tmp_path / "other")
    path = tmp_path / "other" / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seed": 5}))
    with pytest.raises(EvaluationError) as refused:
        require_same([read_book(scored), read_book(tmp_path / "other")])
    seed = read_book(scored).summary.seed
    told = f"seed: found {seed} in {scored / 'summary.json'}; 5 in {path}. Allowed: the same in all. Run them from one "
    assert told in str(refused.value)


def test_an_objection_after_the_window_says_who_can_open_it_again(scored):
    until = open_window(scored, "eyes", 0, BEGAN).until_ns
    with pytest.raises(EvaluationError) as refused:
        dispute(scored, "eyes-default-r1", "wipe", "Vendor", "too late", [], until)
    told = str(refused.value)
    assert told.startswith(f"{scored}/journal.jsonl: dispute window: found one that is over since 20")
    assert told.endswith("to open it again: `pij preview demo --product ID --to FOLDER --days DAYS`.")


def said(*words):
    found = CliRunner().invoke(app, list(words))
    assert found.exit_code == 2
    return found.output


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--techniques", "1", "found 1; allowed: 2 or more. One technique shows nothing about others: leave it out"),
        ("--repetitions", "0", "found 0; allowed: 1 or more. Give "),
        ("--pairs", "0", "found 0; allowed: 1 or more. Give "),
        ("--wanted", "1", "found 1.0; allowed: 0.01 to 0.999. Give a share"),
    ],
)
def test_a_question_of_power_out_of_range_is_refused_in_our_own_words(option, value, told):
    output = said("power", "--first", "0.7", "--second", "0.5", option, value)
    assert output.startswith(f"pij power: {option}: {told}")


def test_an_unknown_metric_is_refused_with_what_to_name(scored, monkeypatch):
    monkeypatch.setenv("PIJ_RUNS", str(scored.parent))
    for words in (("compare", "demo"), ("gap", "demo", "demo")):
        output = said(*words, "--metric", "bogus")
        assert re.match(r"--metric: found 'bogus'; allowed: \w+, .*\. Name one of these\.", output)


@pytest.mark.parametrize(("verb", "allowed"), [("gap", GAUGED), ("compare", (*COMPARED, DELAY))])
def test_the_help_names_exactly_the_metrics_that_are_allowed(verb, allowed):
    (option,) = (one for one in get_command(app).commands[verb].params if "--metric" in one.opts)
    named = re.findall(r"\b[a-z_]+\b", option.help.partition(";")[0].replace("One of", "").replace("Only", ""))
    assert sorted({*named} - {"or"}) == sorted(allowed)


@pytest.mark.parametrize("metric", ["missed", "logged", "general", "tactic"])
def test_a_gap_is_of_metrics_of_which_more_is_better(scored, monkeypatch, metric):
    """A product that misses more on the variants would be said to do better on them."""
    monkeypatch.setenv("PIJ_RUNS", str(scored.parent))
    assert said("gap", "demo", "other", "--metric", metric) == (
        f"--metric: found '{metric}'; allowed: {', '.join(GAUGED)}. Name one of these.\n"
    )


@pytest.mark.parametrize("words", [("gap", "demo", "dmeo"), ("compare", "dmeo"), ("rank", "dmeo")])
def test_a_mistyped_campaign_is_refused_with_those_that_there_are(scored, monkeypatch, words):
    monkeypatch.setenv("PIJ_RUNS", str(scored.parent))
    output = said(*words)
    assert output.startswith(f"{scored.parent}/dmeo: found no such campaign; allowed: demo (scored ones in ")
    assert "Name one of these, or run it first: `pij run`." in output


@pytest.mark.parametrize("verb", ["score", "publish", "people"])
def test_a_folder_without_results_is_refused_with_what_helps(scored, tmp_path, monkeypatch, verb):
    """`pij run /tmp` would be no remedy: what can be run has a name of its own."""
    monkeypatch.setenv("PIJ_RUNS", str(scored.parent))
    remedy = "Name one of these; `pij run CAMPAIGN` makes results of what `pij list campaigns` shows."
    allowed = f"allowed: demo (in {scored.parent}), or the path of a folder of results."
    assert said(verb, str(tmp_path)) == f"{tmp_path}: found no results; {allowed} {remedy}\n"
    assert said(verb, "dmeo") == f"{scored.parent}/dmeo: found no results; {allowed} {remedy}\n"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "campaign.json").touch()
    page = f"A published page has them in {tmp_path}/data: name that."
    assert said(verb, str(tmp_path)) == f"{tmp_path}: found no results; {allowed} {page}\n"


@pytest.fixture
def tampered(scored, tmp_path):
    """A scored campaign with one letter of one trial changed after its scores were made."""
    folder = shutil.copytree(scored, tmp_path / "tampered")
    path = folder / "trials" / "eyes-default-r1" / "trial.json"
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"product_version": "1', '"product_version": "9', 1) + " ")
    return folder


@pytest.mark.parametrize(
    "use",
    [
        lambda folder, to: publish_campaign(folder, to),
        lambda folder, to: write_preview(folder, "eyes", to),
        lambda folder, _to: read_book(folder),
    ],
    ids=["publish", "preview", "compare"],
)
def test_a_trial_that_was_changed_after_its_scores_is_shown_to_nobody(tampered, tmp_path, use):
    """Else a page, a vendor or a comparison would show what nobody measured."""
    with pytest.raises(SealError, match=r"eyes-default-r1: is not what was sealed: trial\.json: sealed as"):
        use(tampered, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_trial_that_was_sealed_again_after_its_scores_is_refused(tampered):
    place = tampered / "trials" / "eyes-default-r1"
    (place / "seal.json").chmod(0o644)
    (place / "seal.json").unlink()
    seal_trial(place.rename(place.with_name(".eyes-default-r1.partial")))
    with pytest.raises(SealError, match=r"eyes-default-r1/seal\.json: root: found .*; allowed: .*pij score"):
        read_book(tampered)


def test_one_campaign_is_compared_with_itself_by_nobody(scored, tmp_path):
    """Else Holm's adjustment would run over pairs that say nothing, and take what the others show."""
    again = shutil.copytree(scored, tmp_path / "again")
    with pytest.raises(EvaluationError, match=r"again: found the trials of .* again; allowed: each campaign once"):
        require_distinct([read_book(scored), read_book(again)])


def test_no_campaign_has_a_gap_to_itself(scored, tmp_path, monkeypatch):
    """Else "no gap shown" would be said of every product, whatever it knows by heart."""
    monkeypatch.setenv("PIJ_RUNS", str(scored.parent))
    again = shutil.copytree(scored, tmp_path / "again")
    for other in ("demo", str(again)):
        output = said("gap", "demo", other)
        assert f"found the trials of {scored} again; allowed: each campaign once, as no campaign has a gap" in output
        assert output.endswith("Name one on public plans and one on variants of them.\n")


@pytest.mark.parametrize("days", [-1.0, 3651.0, 1e12, float("inf"), float("nan")])
def test_a_dispute_window_that_nobody_can_mean_is_not_written(scored, tmp_path, days):
    """The journal takes nothing back: a wrong number in it would stand for good."""
    folder = shutil.copytree(scored, tmp_path / "demo")
    before = read_journal(folder)
    with pytest.raises(EvaluationError, match=r"--days: found .*; allowed: 0 to 3650"):
        open_window(folder, "eyes", days, BEGAN)
    assert read_journal(folder) == before


@pytest.mark.parametrize(
    ("texts", "told"),
    [(["technique=1e308"], "a number from -1,000,000"), (["technique=1,technique=2"], "found technique twice")],
)
def test_weights_that_cannot_be_meant_are_refused(texts, told):
    with pytest.raises(EvaluationError, match=told):
        read_weights(texts)


def test_another_id_for_the_results_is_held_against_its_form(scored):
    with pytest.raises(EvaluationError, match=r"--as: found 'my-demo'; allowed: .* For example --as my_demo\."):
        prepare_parts("demo", as_id="my-demo")


@pytest.mark.parametrize(
    ("only", "allowed"),
    [
        ((), "sigma_rules. Name one that a chosen arm takes, or leave it out."),
        (("auditd_laurel-sigma",), "sigma_rules. Name one that a chosen arm takes, or leave it out."),
        (("fail2ban-default",), "none: no chosen arm takes any. Leave it out."),
    ],
)
def test_content_that_no_chosen_arm_takes_is_refused_with_what_is_taken(tmp_path, only, allowed):
    """Else a misspelt id would go unnoticed, and the arm that was meant would not be run."""
    with pytest.raises(ContentError) as refused:
        prepare_parts("demo", content={"sigma_rule": tmp_path}, only=only)
    (problem,) = refused.value.problems
    assert str(problem) == f"pipelines/campaigns/demo.yaml: --content: found 'sigma_rule'; allowed: {allowed}"


def test_a_secret_that_no_chosen_arm_takes_is_refused(tmp_path):
    (tmp_path / "key").write_text("0123456789abcdef")
    with pytest.raises(ContentError, match="--secret: found 'api_key'; allowed: none: no chosen arm takes any"):
        prepare_parts("demo", secrets={"api_key": tmp_path / "key"})


def test_content_that_a_chosen_arm_takes_is_taken(tmp_path):
    (tmp_path / "rules").mkdir()
    (prepared,) = prepare_parts("demo", content={"sigma_rules": tmp_path / "rules"}, only=("auditd_laurel-sigma",))
    assert prepared.takes() == {"sigma_rules"}
    assert prepared.entries[0].content == {"sigma_rules": tmp_path / "rules"}
