"""Made from states/uplink.toml by tools/gen-states. Do not edit: edit that file and run it again."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """The states of an uplink."""

    DETECTING = "detecting"
    CAPTURING = "capturing"
    HANDOVER = "handover"
    MIRRORING = "mirroring"
    PUNTING = "punting"
    STEADY = "steady"
    RECOVERING = "recovering"


class Step(enum.Enum):
    """What can run, one at a time."""

    INSPECT = "inspect"
    CAPTURE = "capture"
    HAND_OVER = "hand_over"
    MIRROR = "mirror"
    PUNT = "punt"
    GIVE_BACK = "give_back"
    GO_AROUND = "go_around"


class Trigger(enum.Enum):
    """The kinds of event."""

    INSPECTED = "inspected"
    CAPTURED = "captured"
    HANDED_OVER = "handed_over"
    MIRRORED = "mirrored"
    PATH_PROVED = "path_proved"
    GIVEN_BACK = "given_back"
    GONE_AROUND = "gone_around"
    STEP_FAILED = "step_failed"
    DEADLINE_PASSED = "deadline_passed"
    HOST_CHANGED = "host_changed"
    VPP_CHANGED = "vpp_changed"
    VPP_LOST = "vpp_lost"
    VPP_FOUND = "vpp_found"
    UPLINK_LOST = "uplink_lost"
    STOP_REQUESTED = "stop_requested"
    RELEASE_REQUESTED = "release_requested"
    RESUME_REQUESTED = "resume_requested"
    AUDIT_REQUESTED = "audit_requested"
    CONFIRM_MISSED = "confirm_missed"


class Guard(enum.Enum):
    """The conditions of rows; each has a function of its name in guards.py."""

    GIVEN_UP = "given_up"
    ADOPTABLE = "adoptable"
    ATTACHABLE = "attachable"
    WORTH_WAITING = "worth_waiting"
    VPP_MAY_RETURN = "vpp_may_return"
    VPP_AWAITED = "vpp_awaited"
    VPP_IS_BACK = "vpp_is_back"
    LEFTOVERS_RETURNABLE = "leftovers_returnable"
    LEFTOVERS_STUCK = "leftovers_stuck"
    CLEAR_TO_TAKE = "clear_to_take"
    HELD = "held"
    RESUMABLE = "resumable"
    DIRTY = "dirty"
    DIRTY_AGAIN = "dirty_again"
    HOST_RESTLESS = "host_restless"
    AUDIT_FOUND_NOTHING = "audit_found_nothing"
    STEP_RUNNING = "step_running"
    RETRY_DUE = "retry_due"
    STOPPING = "stopping"
    LAST_TRY_OF_STOP = "last_try_of_stop"


class Action(enum.Enum):
    """What rows do besides moving; each has a function of its name in actions.py."""

    KEEP_FACTS = "keep_facts"
    KEEP_FAILURE = "keep_failure"
    KEEP_CHANGES = "keep_changes"
    KEEP_RESIDUE = "keep_residue"
    COUNT_LEFTOVERS = "count_leftovers"
    COUNT_TRY = "count_try"
    BEGIN_AUDIT = "begin_audit"
    MARK_DIRTY = "mark_dirty"
    WAIT = "wait"
    SETTLE = "settle"
    HOLD_FAILED = "hold_failed"
    HOLD_VPP_LOST = "hold_vpp_lost"
    HOLD_UPLINK_LOST = "hold_uplink_lost"
    HOLD_OPERATOR = "hold_operator"
    MARK_PROVED = "mark_proved"
    AWAIT_VPP = "await_vpp"
    END_WAITING = "end_waiting"
    BEGIN_STOP = "begin_stop"
    FINISH = "finish"


class HoldKind(enum.Enum):
    """Why Detecting does not go on by itself."""

    OPERATOR = "operator"
    FAILED = "failed"
    VPP_LOST = "vpp_lost"
    UPLINK_LOST = "uplink_lost"
    STOPPING = "stopping"
