"""All targets, by name."""

from __future__ import annotations

from tools.fuzzing import control_targets, file_targets, netlink_targets, vpp_targets
from tools.fuzzing.engine import Target

_MODULES = (netlink_targets, vpp_targets, file_targets, control_targets)
TARGETS: dict[str, Target] = {target.name: target for module in _MODULES for target in module.TARGETS}
