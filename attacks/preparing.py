"""Before a step that has containers of its own: its payload files, and what its procedure depends on."""

import threading
from collections.abc import Mapping, Sequence

from attacks.plan import Step
from attacks.procedure import Procedure, instantiate
from attacks.proving import PAYLOADS_AT, Stage, lay_payloads, prepare
from environments.standing import Target


def lay_out(target: Target, steps: Sequence[Step], procedures: Mapping[str, Procedure], stop: threading.Event) -> None:
    """Lay out what the steps need, before any product is there to see it.

    Raises:
        TargetError: a node could not be used.
    """
    for step in steps:
        procedure = procedures[step.procedure] if step.procedure else None
        if procedure is None:
            continue
        lay_payloads(target, procedure, step.node, step.user)
        instance = instantiate(procedure, step.arguments, PAYLOADS_AT)
        if instance.prerequisites:
            with target.open_session(step.node, step.user) as session:
                prepare(Stage("", target, {}, (), stop), session, instance)
