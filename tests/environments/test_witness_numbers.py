"""Pids of a node's own namespace that could not be read in time."""

import importlib.util

import pytest

from results.paths import ROOT


@pytest.fixture(scope="module")
def numbers():
    """The class as the witness's container has it."""
    path = ROOT / "environments" / "witness_image" / "numbering.py"
    spec = importlib.util.spec_from_file_location("numbering", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Numbers


def test_programs_that_are_gone_too_soon_have_the_numbers_between_their_neighbours(numbers):
    """Else an alert on a program of a millisecond can't be attributed by its process."""
    one = numbers()
    assert one.fork(5, 100, 1, 40) == []
    assert one.fork(5, 101, 2, None) == []
    assert one.fork(5, 102, 3, None) == []
    assert one.fork(5, 103, 4, 43) == [(101, 2, 41), (102, 3, 42)]


def test_threads_take_numbers_too(numbers):
    one = numbers()
    one.fork(5, 100, 1, 40)
    one.fork(5, None, 2, None)
    one.fork(5, 102, 3, None)
    assert one.fork(5, 103, 4, 43) == [(102, 3, 42)]


def test_nothing_is_said_where_a_number_went_elsewhere(numbers):
    """A process that somebody else started in the node took one: a guess would accuse the wrong step."""
    one = numbers()
    one.fork(5, 100, 1, 40)
    one.fork(5, 101, 2, None)
    assert one.fork(5, 102, 3, 43) == []
    assert one.fork(5, 103, 4, 44) == []


def test_nothing_is_said_of_several_that_may_have_started_side_by_side(numbers):
    """Two parents on two processors: which of them was first is not known."""
    one = numbers()
    one.fork(5, 100, 1, 40)
    one.fork(5, 101, 2, None)
    one.fork(6, 102, 3, None)
    assert one.fork(5, 103, 4, 43) == []


def test_nothing_is_said_before_the_first_number_is_known(numbers):
    one = numbers()
    one.fork(5, 100, 1, None)
    assert one.fork(5, 101, 2, 41) == []


def test_a_child_comes_after_its_parent_and_what_has_ended_before_what_begins(numbers):
    """A shell that starts a program and ends, and then the next shell: all of them gone at once."""
    one = numbers()
    one.fork(5, 100, 1, 40)
    one.fork(5, 101, 2, None)
    one.fork(101, 102, 3, None)
    one.exited(102)
    one.exited(101)
    one.fork(5, 103, 4, None)
    assert one.fork(5, 104, 5, 44) == [(101, 2, 41), (102, 3, 42), (103, 4, 43)]
