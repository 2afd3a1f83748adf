"""ATT&CK: the embedded facts, and a bundle that the user names."""

import json
import os
from pathlib import Path

import pytest

from attacks.catalogue import EMBEDDED, TACTICS_JA, compact, load_catalogue
from results.attack import Tactic, Technique, read_catalogue, write_catalogue
from results.errors import ContentError

DATA = Path(os.environ.get("PIJ_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
BUNDLE = DATA / "attack" / "enterprise-attack-18.1.json"


def reference(identifier: str) -> list[dict[str, str]]:
    return [{"source_name": "mitre-attack", "external_id": identifier}]


def tactic(number: int, identifier: str, name: str) -> dict[str, object]:
    return {
        "type": "x-mitre-tactic",
        "id": f"x-mitre-tactic--00000000-0000-4000-8000-{number:012d}",
        "created": "2020-01-01T00:00:00.000Z",
        "modified": "2020-01-01T00:00:00.000Z",
        "name": name,
        "x_mitre_shortname": name.lower().replace(" ", "-"),
        "external_references": reference(identifier),
    }


def technique(number: int, identifier: str, **more: object) -> dict[str, object]:
    return {
        "type": "attack-pattern",
        "id": f"attack-pattern--00000000-0000-4000-8000-{number:012d}",
        "created": "2020-01-01T00:00:00.000Z",
        "modified": "2020-01-01T00:00:00.000Z",
        "name": f"name of {identifier}",
        "external_references": reference(identifier),
        "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "initial-access"}],
        **more,
    }


def bundle(path: Path, *objects: dict[str, object]) -> Path:
    whole = {"type": "bundle", "id": "bundle--00000000-0000-4000-8000-000000000000", "objects": list(objects)}
    path.write_text(json.dumps({**whole, "spec_version": "2.0"}))
    return path


SMALL = (
    tactic(1, "TA0001", "Initial Access"),
    technique(1, "T9001"),
    technique(2, "T9001.001"),
    technique(3, "T9002", revoked=True),
    technique(4, "T9003", x_mitre_deprecated=True),
    {
        "type": "relationship",
        "id": "relationship--00000000-0000-4000-8000-000000000001",
        "created": "2020-01-01T00:00:00.000Z",
        "modified": "2020-01-01T00:00:00.000Z",
        "relationship_type": "revoked-by",
        "source_ref": "attack-pattern--00000000-0000-4000-8000-000000000003",
        "target_ref": "attack-pattern--00000000-0000-4000-8000-000000000002",
    },
    {
        "type": "x-mitre-data-component",
        "id": "x-mitre-data-component--00000000-0000-4000-8000-000000000001",
        "created": "2020-01-01T00:00:00.000Z",
        "modified": "2020-01-01T00:00:00.000Z",
        "name": "File Creation",
    },
)


def test_the_embedded_release_has_the_counts_that_mitre_published():
    """Else a step could name a technique that we lost."""
    embedded = load_catalogue()
    current = [key for key, entry in embedded.techniques.items() if not entry.revoked_by and not entry.deprecated]
    assert (embedded.release, len(embedded.tactics), len(embedded.data_components)) == ("enterprise 18.1", 14, 109)
    assert (len([key for key in current if "." not in key]), len([key for key in current if "." in key])) == (216, 475)


def test_every_tactic_has_its_japanese_name():
    """Else the Japanese page would show English words in its headings."""
    assert {key: entry.name_ja for key, entry in load_catalogue().tactics.items()} == TACTICS_JA


def test_every_current_technique_has_a_tactic_and_every_successor_is_current():
    """Else a verdict could not be placed in the matrix."""
    embedded = load_catalogue()
    current = [key for key, entry in embedded.techniques.items() if not entry.revoked_by and not entry.deprecated]
    assert [key for key in current if not embedded.tactics_of(key)] == []
    assert [key for key in embedded.techniques if embedded.resolve(key) is None] == []
    assert embedded.resolve("T1086") == "T1059.001"


@pytest.mark.skipif(not BUNDLE.is_file(), reason="the real bundle is not at hand (PIJ_TEST_DATA)")
def test_the_real_bundle_is_the_embedded_release_and_is_read_only_once(tmp_path):
    """Else the embedded facts could differ from MITRE's, or every start would cost seconds."""
    assert load_catalogue(BUNDLE, tmp_path) == load_catalogue()
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == EMBEDDED.read_bytes()
    marked = load_catalogue().model_copy(update={"release": "from the cache"})
    write_catalogue(kept, marked)
    assert load_catalogue(BUNDLE, tmp_path) == marked


def test_a_bundle_is_reduced_to_its_facts(tmp_path):
    """Else another release would be read wrongly: parents, successors, what was given up."""
    catalogue = compact(bundle(tmp_path / "b.json", *SMALL), "enterprise 99")
    assert catalogue.release == "enterprise 99"
    assert catalogue.tactics == {
        "TA0001": Tactic(name="Initial Access", shortname="initial-access", name_ja="初期アクセス")
    }
    assert catalogue.techniques == {
        "T9001": Technique(name="name of T9001", tactics=("TA0001",)),
        "T9001.001": Technique(name="name of T9001.001", tactics=("TA0001",), parent="T9001"),
        "T9002": Technique(name="name of T9002", tactics=("TA0001",), revoked_by="T9001.001"),
        "T9003": Technique(name="name of T9003", tactics=("TA0001",), deprecated=True),
    }
    assert catalogue.data_components == ("File Creation",)


def test_two_bundles_without_a_release_are_not_taken_for_the_same(tmp_path):
    """Else results over different ATT&CK releases would be compared."""
    one = load_catalogue(bundle(tmp_path / "a.json", *SMALL))
    other = load_catalogue(bundle(tmp_path / "b.json", *SMALL[:3]))
    assert one.release.startswith("enterprise of no named release, ")
    assert one.release != other.release


def test_a_bundle_that_changes_is_read_again(tmp_path):
    """Else yesterday's ATT&CK would be used under the same file name."""
    path = bundle(tmp_path / "b.json", *SMALL[:2])
    assert list(load_catalogue(path, tmp_path / "cache").techniques) == ["T9001"]
    bundle(path, *SMALL[:3])
    assert list(load_catalogue(path, tmp_path / "cache").techniques) == ["T9001", "T9001.001"]


@pytest.mark.parametrize("content", ["", "{", '{"catalogue_version": 99}', '{"catalogue_version": 1}'])
def test_a_damaged_cache_is_written_anew(tmp_path, content):
    """Else a full disk once would break every start after it."""
    path = bundle(tmp_path / "b.json", *SMALL)
    whole = load_catalogue(path, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(content)
    assert load_catalogue(path, tmp_path / "cache") == whole
    assert read_catalogue(kept) == whole


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "No such file or directory"),
        (b"", "no STIX 2 bundle (Expecting value: line 1 column 1 (char 0))"),
        (b"[1]", "no STIX 2 bundle ('int' object is not subscriptable)"),
        (b"\xff\xfe\x00", "no STIX 2 bundle ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)"),
        (b'{"type": "bundle", "objects": []}', "0 tactics, none of them TA0001"),
    ],
)
def test_what_is_no_bundle_is_said_to_be_none(tmp_path, content, found):
    """Else a wrong download would end in a traceback."""
    path = tmp_path / "enterprise.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ContentError) as caught:
        load_catalogue(path)
    (problem,) = caught.value.problems
    assert (problem.path, problem.field, problem.found) == (str(path), "--attack", found)
    assert problem.allowed == "a STIX 2 bundle of ATT&CK Enterprise"


def test_attack_for_mobile_is_refused(tmp_path):
    """Else its tactics, which have the same names, would be taken for those of Enterprise."""
    path = bundle(tmp_path / "mobile.json", tactic(1, "TA0027", "Initial Access"), tactic(2, "TA0034", "Impact"))
    with pytest.raises(ContentError, match=r"found 2 tactics, none of them TA0001.*not Mobile or ICS"):
        load_catalogue(path)
