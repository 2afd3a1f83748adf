"""What the tests share: an engine, and folders of their own for results and state."""

import os

import pytest

from environments.engine import engine_for
from environments.sweep import sweep
from results.errors import EngineError


@pytest.fixture(scope="session")
def state(tmp_path_factory):
    """A state folder that is not the user's."""
    folder = tmp_path_factory.mktemp("state")
    os.environ["PIJ_STATE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def engine(state):
    """A Docker engine that answers. In CI a missing one is a failure, elsewhere a skip with the reason."""
    try:
        with engine_for(print) as found:
            yield found
            sweep(found, print, everything=False)
    except EngineError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def runs(tmp_path, monkeypatch, state):
    """A folder for results, also for processes that a test starts."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("PIJ_RUNS", str(folder))
    monkeypatch.setenv("PIJ_PUBLISHED", str(tmp_path / "published"))
    return folder
