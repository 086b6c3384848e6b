"""All targets, by name."""

from __future__ import annotations

from tools.fuzzing import netlink_targets
from tools.fuzzing.engine import Target

TARGETS: dict[str, Target] = {target.name: target for target in (*netlink_targets.TARGETS,)}
