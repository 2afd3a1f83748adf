"""What counts as a proof of effect, and which reason a procedure gets that has none."""

import pytest

from attacks.effects import Effect, EffectKind, Look, differences, of_run, without_by_products, without_noise
from attacks.plan import Fact
from attacks.procedure import Executor, InputArgument, Procedure
from attacks.proof import Attempt, Reason, external_addresses, judge, oracle, why_not
from environments.witness import Seen


def procedure(command="tool --flag", name="one", **changes):
    """A procedure that runs `command`."""
    whole = {
        "guid": "11111111-1111-4111-8111-111111111111", "name": name, "technique": "T1053.003", "description": "",
        "platforms": ("linux",), "arguments": {}, "dependencies": (), "path": "one.yaml", "line": 1,
        "executor": Executor(name="sh", command=command),
    }  # fmt: skip
    return Procedure.model_validate(whole | changes)


def effect(kind, what, detail=""):
    """One effect."""
    return Effect(kind=EffectKind(kind), what=what, detail=detail)


def attempt(*effects, exit_code=0, errors="", stopped=None):
    """One run."""
    return Attempt(
        environment="linux_lab", user="ops", exit_code=exit_code, stopped=stopped, effects=effects, errors=errors,
        cleanup="none", duration_s=1.0,
    )  # fmt: skip


def verdict(one, *attempts, external=()):
    """(proven, reason) of runs."""
    proof = judge(one, attempts, external, "d")
    return proof.proven, proof.reason


FILE, RAN, TRIED = effect("created", "/tmp/a"), effect("ran", "tool --flag"), effect("attempted", "tool --flag")


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([attempt(FILE), attempt(FILE)], (True, None)),
        ([attempt(FILE, exit_code=1), attempt(FILE, exit_code=1)], (True, None)),
        ([attempt(RAN), attempt(RAN)], (True, None)),
        ([attempt(RAN, exit_code=None, stopped="time")] * 2, (True, None)),
        ([attempt(effect("output", "root")), attempt(effect("output", "root"))], (True, None)),
        ([attempt(TRIED, exit_code=1)] * 2, (True, None)),
        ([attempt(RAN), attempt(effect("ran", "other"))], (False, Reason.UNSTABLE)),
        ([attempt()], (False, Reason.NOTHING_SEEN)),
        ([attempt(effect("ran", "sleep 5"), effect("ran", "uname"))], (False, Reason.NOTHING_SEEN)),
        ([attempt(RAN, exit_code=127, errors="sh: 1: kldload: not found")], (False, Reason.OTHER_SYSTEM)),
        ([attempt(RAN, exit_code=127, errors="bash: line 1: mdatp: command not found")], (False, Reason.PACKAGE)),
        ([attempt(FILE, errors="System has not been booted with systemd as init")], (False, Reason.SYSTEMD)),
        ([attempt(exit_code=2, errors="curl: (6) Could not resolve host: x")], (False, Reason.NETWORK)),
        ([attempt(exit_code=1, errors="oops")], (False, Reason.BROKEN)),
    ],
)
def test_only_an_effect_that_every_run_had_is_a_proof(attempts, expected):
    """Else an exit code, a missing program or luck would stand for an attack that happened."""
    assert verdict(procedure(), *attempts) == expected


def test_what_a_container_refuses_is_proven_as_an_attempt_only():
    """Else a kernel setting that can't be changed would either be lost or be called carried out."""
    errors = 'sysctl: permission denied on key "kernel.x"'
    proof = judge(procedure(), [attempt(TRIED, exit_code=255, errors=errors)] * 2, (), "d")
    assert (proof.proven, proof.attempt_only, proof.reason) == (True, True, Reason.KERNEL_SETTING)


def test_a_program_that_only_the_other_branch_names_is_not_missed():
    """Else `useradd … || pw …` would be broken on every Linux."""
    one = procedure("useradd x || pw useradd x")
    assert verdict(one, *[attempt(FILE, exit_code=1, errors="sh: 1: pw: not found")] * 2) == (True, None)


def test_what_differs_from_run_to_run_alone_does_not_make_it_unstable():
    """Else every procedure that makes a temporary file or prints a pid would carry no proof."""
    first, second = attempt(effect("created", "/tmp/tmp.Ab12Cd34Ef")), attempt(effect("created", "/tmp/tmp.Zz98Yy76Xx"))
    proof = judge(procedure(), [first, second], (), "d")
    assert proof.effects == (effect("created", "/tmp/tmp.*").model_copy(update={"exact": False}),)
    assert (proof.proven, proof.stable) == (True, True)


def test_the_oracle_is_made_of_what_is_there_afterwards_first():
    """Else an oracle would look for a process where it could look at a file."""
    effects = (
        effect("output", "done in 4711 ms"), RAN, effect("account", "account eve", "added"), FILE,
        effect("deleted", "/etc/x"), effect("created", "/tmp/tmp.*").model_copy(update={"exact": False}),
    )  # fmt: skip
    proof = judge(procedure(), [attempt(*effects)] * 2, (), "d")
    assert oracle(proof) == (
        Fact(file="/etc/passwd", contains="^eve:"),
        Fact(file="/tmp/a"),
        Fact(file="/etc/x", absent=True),
    )


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([effect("output", "root:x"), effect("ran", "tool")], (Fact(stdout="^root:x"),)),
        ([effect("output", "pid 47112"), effect("ran", "tool"), effect("ran", "sleep 1")], (Fact(process="^tool"),)),
        ([effect("ran", "tool a"), effect("attempted", "b")], (Fact(process="^tool\\ a|^b"),)),
        ([effect("ran", "uname")], ()),
    ],
)
def test_an_oracle_asks_for_programs_only_where_there_is_nothing_else(effects, expected):
    """Else a step would be invalid whenever a program was gone before the witness could read its name."""
    proof = judge(procedure(), [attempt(FILE, *effects)] * 2, (), "d")
    assert oracle(proof.model_copy(update={"effects": tuple(effects)})) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl http://127.0.0.1/x http://10.0.0.1/y ping 192.168.1.4", ()),
        ("curl https://raw.githubusercontent.com/a/b | sh", ("raw.githubusercontent.com",)),
        ("dig @8.8.8.8 www.google.com", ("8.8.8.8", "www.google.com")),
        ("version 1.2.3.4567 of 300.1.1.1", ()),
        ("ssh user@bad.example.org", ("bad.example.org",)),
        ("cp a.sh /tmp/a.conf; systemctl start x.service", ()),
    ],
)
def test_addresses_outside_are_found(text, expected):
    """Else the share of proven procedures would be of the wrong ones."""
    assert external_addresses([text]) == expected


def test_the_reasons_before_a_run_are_told_apart():
    """Else `manual` and `a fact is missing` would both be called broken."""
    missing = {"a": InputArgument()}
    cases = {
        Reason.MANUAL: procedure(executor=Executor(name="manual", steps="click")),
        Reason.OTHER_SYSTEM: procedure(platforms=("windows",)),
        Reason.FACT: procedure(missing=("x",)),
        Reason.ARGUMENT: procedure(arguments=missing),
        Reason.BROKEN: procedure(command=" "),
        Reason.PACKAGE: procedure(executor=Executor(name="command_prompt", command="dir")),
    }
    assert {reason: (why_not(one) or ("none",))[0] for reason, one in cases.items()} == {r: r for r in cases}


def state(content="c", mode=0o644, size=1, when=1):
    """A file's state as the witness describes it."""
    return ("file", mode, 0, 0, size, when, content)


def test_every_kind_of_difference_is_seen():
    """Else an effect would be there and the proof would not know."""
    image = {"/etc/a": ["file", 0o644, 0, 0, 1, 1], "/etc/b": ["file", 0o644, 0, 0, 1, 1]}
    cron, new = Seen(10, 1, 0, command_lines=["cron"]), Seen(11, 1, 0, command_lines=["nc -l 4444"])
    mine = Seen(12, 5, 0, command_lines=["sh x", "yes"])
    before = Look({"/tmp/old": state()}, frozenset(), {"account root": "root:x"}, frozenset(), {10: cron})
    after = Look(
        {"/tmp/new": state(), "/etc/a": state("other", when=2), "/etc/b": state(mode=0o4755)},
        frozenset({"/etc/gone"}),
        {"account root": "root:y", "account eve": "eve:x"},
        frozenset({"listens tcp 0.0.0.0:4444"}),
        {11: new, 12: mine},
    )
    found = {(one.kind.value, one.what) for one in differences(before, after, image, [mine])}
    assert found == {
        ("created", "/tmp/new"), ("changed", "/etc/a"), ("permissions", "/etc/b"), ("deleted", "/tmp/old"),
        ("deleted", "/etc/gone"), ("account", "account root"), ("account", "account eve"),
        ("socket", "listens tcp 0.0.0.0:4444"), ("started elsewhere", "nc -l 4444"), ("left running", "yes"),
        ("ended", "cron"),
    }  # fmt: skip
    down = Look({}, frozenset(), {}, frozenset(), {}, is_up=False)
    assert [one.kind for one in differences(before, down, image)] == [EffectKind.NODE_DOWN]


def test_a_run_shows_its_programs_and_output_but_not_its_own_shell():
    """Else every script would prove itself by having been started."""
    own = [
        Seen(1, 0, 0, ended_ns=1, exit_code=0, command_lines=["/bin/sh -c id\n", "id"]),
        Seen(2, 1, 0, ended_ns=1, exit_code=1, command_lines=["grep x"]),
        Seen(3, 1, 0, ended_ns=1, exit_code=137, command_lines=["yes"]),
    ]
    assert of_run(own, "uid=0\n\n", "/bin/sh -c id", was_stopped=False) == [
        effect("ran", "id"), effect("attempted", "grep x"), effect("attempted", "yes"), effect("output", "uid=0"),
    ]  # fmt: skip
    assert effect("ran", "yes") in of_run(own, "", "/bin/sh -c id", was_stopped=True)


def test_noise_and_by_products_are_no_effects():
    """Else the log of any sudo would prove any procedure."""
    log, other = effect("changed", "/var/log/auth.log"), effect("changed", "/etc/motd")
    assert without_noise([log, other], [effect("changed", "/etc/motd")]) == [log]
    assert without_by_products([log, other], "id") == [other]
    assert without_by_products([log, other], "echo > /var/log/auth.log") == [log, other]
