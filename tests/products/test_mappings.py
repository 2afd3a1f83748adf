"""Ready-made mappings: what comes of each vendor's published sample events, and how a source takes one over."""

import json
from pathlib import Path

import pytest
import yaml

from products.formats import records_of
from products.lint_mapping import lint_mapping
from products.mapping import MAPPINGS, Mapping, mapping_folders, read_mapping, resolved, source_of, with_mapping
from products.normalise import Normaliser
from products.source import Source
from results.errors import ContentError
from results.records import Observation

NOT_COMPARED = {"observation_id", "component", "received_ns", "raw", "raw_sha256", "raw_length"}
RECEIVED = 1_795_872_339_000_000_000
FOLDERS = mapping_folders()


def make_mapping(**changes: object) -> Mapping:
    fields = {
        "id": "some",
        "title": {"en": "Some", "ja": "ある"},
        "product": "Some",
        "vendor": "Someone",
        "homepage": "https://example.com/",
        "status": "sample-tested",
        "format": "json_lines",
        "map": {"title": "a", "rule_id": "b", "time": "t"},
        "time_format": "epoch_s",
        "where": "a",
        "samples": [],
    }
    return Mapping.model_validate(fields | changes)


def make_source(**changes: object) -> Source:
    return Source.model_validate({"component": "agent", "file": "/log", "format": "json_lines", **changes})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_published_samples_become_what_is_expected(folder: Path):
    """Else a mapping would be called sample-tested that reads its samples otherwise."""
    mapping = read_mapping(folder)
    source = source_of(mapping)
    normaliser = Normaliser(source, lambda _component, pid: pid)
    for sample in mapping.samples:
        found: list[object] = []
        for record in records_of(source, (folder / sample.file).read_bytes()):
            read = normaliser.read(record, RECEIVED, "x")
            is_read = isinstance(read, Observation)
            found.append(
                read.model_dump(mode="json", exclude_defaults=True, exclude=NOT_COMPARED)
                if is_read
                else type(read).__name__.lower()
            )
        assert found == json.loads((folder / sample.expected).read_text("utf-8"))
        assert "unreadable" not in found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_mapping_lints_clean_names_its_sources_and_never_says_evaluated(folder: Path):
    """Else a reader would take it for an evaluation, or could not check where the samples are from."""
    assert lint_mapping(folder) == []
    readme = (folder / "README.md").read_text("utf-8")
    mapping = read_mapping(folder)
    assert mapping.status == "sample-tested"
    assert "`sample-tested`" in readme
    assert all(sample.url and sample.licence and sample.changes for sample in mapping.samples)


def test_there_are_mappings_for_the_products_that_were_asked_for():
    """Else one could be lost unnoticed."""
    asked = {"falco", "wazuh", "osquery", "elastic_security", "microsoft_defender_endpoint", "suricata_eve"}
    assert asked <= {folder.name for folder in FOLDERS}


def test_a_source_takes_over_what_it_does_not_say_itself():
    """Else one field of a product's own would mean copying the whole mapping."""
    source = with_mapping(make_source(mapping="some", map={"title": "mine"}), make_mapping())
    assert source.map == {"title": "mine", "rule_id": "b", "time": "t"}
    assert (source.where, source.time_format) == ("a", "epoch_s")


def test_a_source_with_a_time_of_its_own_keeps_its_format_of_time():
    """Else an ISO time would be read as seconds since 1970."""
    source = with_mapping(make_source(mapping="some", map={"time": "when"}, where="b"), make_mapping())
    assert (source.map["time"], source.time_format, source.where) == ("when", "iso8601", "b")


def test_an_unknown_mapping_is_a_problem_with_a_remedy():
    """Else a typing mistake would become a source that maps nothing."""
    with pytest.raises(ContentError) as caught:
        resolved(make_source(mapping="falko"), Path("product.yaml"), 7, "alerts.0.mapping")
    (problem,) = caught.value.problems
    assert (problem.line, problem.field, problem.found) == (7, "alerts.0.mapping", "'falko'")
    assert problem.mend == "Did you mean 'falco'?"


def test_a_mapping_for_another_format_is_refused():
    """Else CEF would be read as JSON and every line be unreadable."""
    with pytest.raises(ContentError) as caught:
        resolved(make_source(mapping="cef_generic"), Path("product.yaml"), None, "alerts.0.mapping")
    assert caught.value.problems[0].found == "format json_lines with a mapping for cef"
    assert resolved(make_source(mapping="elastic_security"), Path("product.yaml"), None, "x").map


def test_a_products_manifest_is_read_with_its_mapping(tmp_path: Path):
    """Else the collector would see a source without a map."""
    from products.manifest import read_product

    data = yaml.safe_load((MAPPINGS.parent / "fail2ban" / "product.yaml").read_text("utf-8"))
    data["alerts"] = [{"component": "jails", "container_log": True, "format": "json_lines", "mapping": "falco"}]
    data["arms"][0]["telemetry"] = [{"component": "jails", "container_log": True, "format": "cef", "mapping": "nope"}]
    (tmp_path / "product.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    with pytest.raises(ContentError) as caught:
        read_product(tmp_path)
    assert [problem.field for problem in caught.value.problems] == ["arms.0.telemetry.0.mapping"]
    del data["arms"][0]["telemetry"]
    (tmp_path / "product.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    (source,) = read_product(tmp_path).alerts
    assert (source.mapping, source.where, source.map["rule_id"]) == ("falco", "rule && priority", "rule")
