"""An argument must stay an argument: what would end its quotes or begin a command is refused."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks.quoting import objection, places

COMMANDS = ["printf '%s' #{a}", "printf '%s' '#{a}'", "printf '%s' \"#{a}\"", 'printf "%s" "$(printf \'%s\' "#{a}")"']


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("touch #{a}", ["bare"]),
        ("touch '#{a}' \"#{a}\" #{a}", ["single", "double", "bare"]),
        ("x=\"$(cat '#{a}' #{a})\"", ["single", "bare"]),
        ("echo \\'#{a}", ["bare"]),
        ("# it's a comment #{a}\ncat '#{a}'", ["single"]),
        ("cat <<'END' > f\n it's #{a}\nEND\ncat #{a}", ["here", "bare"]),
        ("cat <<< '#{a}'", ["single"]),
    ],
)
def test_the_place_of_an_argument_is_found(command, expected):
    """Else a quote would be refused where it is harmless, or let through where it is not."""
    assert list(places(command, "a")) == expected


@pytest.mark.parametrize(
    ("command", "value", "expected"),
    [
        (COMMANDS[0], "/tmp/x; id", "';' where the command has it without quotes"),
        (COMMANDS[0], "$(id)", "'(' where the command has it without quotes"),
        (COMMANDS[0], "it's", "a quote without its other half where the command has it without quotes"),
        (COMMANDS[0], "'a b' 'c;d'", None),
        (COMMANDS[1], "x'; id; '", '"\'" where the command has it inside single quotes'),
        (COMMANDS[1], 'a"b$(c)', None),
        (COMMANDS[2], 'x"; id; "', "'\"' where the command has it inside double quotes"),
        (COMMANDS[2], "`id`", "'`' where the command has it inside double quotes"),
        (COMMANDS[2], "x\\", "a backslash before the closing quote"),
        (COMMANDS[2], "a;b|c'd", None),
        (COMMANDS[2], "x\nid", "the control character '\\n'"),
    ],
)
def test_a_value_that_would_escape_is_refused(command, value, expected):
    """Else a third party's plan could run anything under the name of a harmless procedure."""
    assert objection(command, "a", value) == expected


@given(st.sampled_from(COMMANDS), st.text(st.characters(codec="ascii"), max_size=12))
def test_what_is_let_through_runs_nothing_else(command, value):
    """Else the scanner would disagree with the shell that runs the command."""
    if objection(command, "a", value) is not None:
        return
    script = "set -f; HOME=/h; id() { echo RAN-ANOTHER; }; command_not_found_handle() { echo RAN-ANOTHER; };\n"
    text = script + command.replace("#{a}", value)
    done = subprocess.run(["/bin/bash", "-c", text], capture_output=True, text=True, check=False, cwd="/")
    assert "RAN-ANOTHER" not in done.stdout
    assert "command not found" not in done.stderr
