"""Which of the engine's own profiles a container does without: as few as its work needs."""

import pytest

from environments.standing import security_options


@pytest.mark.parametrize(
    ("capabilities", "seccomp_unconfined", "options"),
    [
        (["NET_RAW"], False, []),
        (["SYS_ADMIN"], False, ["apparmor=unconfined"]),
        (["NET_RAW"], True, ["seccomp=unconfined"]),
        (["NET_RAW", "SYS_ADMIN"], True, ["apparmor=unconfined", "seccomp=unconfined"]),
    ],
)
def test_only_what_may_mount_goes_without_the_engines_apparmor_profile(capabilities, seccomp_unconfined, options):
    """With the profile a server that boots systemd never comes up on Debian: it forbids each mount."""
    assert security_options(capabilities, seccomp_unconfined) == options
