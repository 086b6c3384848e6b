"""Messages about classifier tables and the ACL slots of interfaces."""

from __future__ import annotations

from hostlink.lab.standin.classify import (
    ACTION_SET_IP4_TABLE,
    ACTION_SET_IP6_TABLE,
    VECTOR_BYTES,
    AclSlots,
    ClassifyTable,
    Session,
)
from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.interfaces import NONE
from hostlink.lab.standin.registry import Reply, Vpp, handles
from hostlink.lab.standin.retvals import CLASSIFY_TABLE_NOT_FOUND, INVALID_SW_IF_INDEX, INVALID_VALUE, Refused

_NOTHING: Values = {"new_table_index": NONE, "skip_n_vectors": NONE, "match_n_vectors": NONE}


@handles("classify_add_del_table")
def classify_add_del_table(vpp: Vpp, request: Values) -> Reply:
    """An add that names a table that is there only changes which table is next."""
    try:
        return _add_del_table(vpp, request)
    except Refused as refusal:
        raise Refused(refusal.retval, **_NOTHING) from None


def _add_del_table(vpp: Vpp, request: Values) -> Reply:
    if request["mask_len"] != request["match_n_vectors"] * VECTOR_BYTES:
        raise Refused(INVALID_VALUE)
    classifier = vpp.state.classifier
    if not request["is_add"]:
        classifier.delete(request["table_index"], request["del_chain"])
        return _NOTHING
    table = classifier.tables.get(request["table_index"])
    if table is None:
        table = classifier.add(_new_table(request), request["memory_size"])
    table.next_table_index = request["next_table_index"]
    return {"new_table_index": table.index, "skip_n_vectors": table.skip, "match_n_vectors": table.match}


def _new_table(request: Values) -> ClassifyTable:
    return ClassifyTable(
        index=NONE,
        mask=request["mask"],
        buckets=request["nbuckets"],
        skip=request["skip_n_vectors"],
        match=request["match_n_vectors"],
        next_table_index=request["next_table_index"],
        miss_next_index=request["miss_next_index"],
        current_data=request["current_data_flag"] == 1,
        current_data_offset=request["current_data_offset"],
    )


@handles("classify_add_del_session")
def classify_add_del_session(vpp: Vpp, request: Values) -> Reply:
    action, metadata = request["action"], request["metadata"]
    session = Session(request["hit_next_index"], action, metadata, request["advance"])
    vpp.state.classifier.set_session(request["table_index"], request["match"], session, request["is_add"])
    if action in (ACTION_SET_IP4_TABLE, ACTION_SET_IP6_TABLE):
        vpp.state.fib.create_table(4 if action == ACTION_SET_IP4_TABLE else 6, metadata, "")
    return {}


@handles("classify_table_ids")
def classify_table_ids(vpp: Vpp, _request: Values) -> Reply:
    ids = sorted(vpp.state.classifier.tables)
    return {"count": len(ids), "ids": ids}


@handles("classify_table_info")
def classify_table_info(vpp: Vpp, request: Values) -> Reply:
    table = vpp.state.classifier.get(request["table_id"], CLASSIFY_TABLE_NOT_FOUND)
    return {
        "table_id": table.index,
        "nbuckets": table.buckets,
        "match_n_vectors": table.match,
        "skip_n_vectors": table.skip,
        "active_sessions": len(table.sessions),
        "next_table_index": table.next_table_index,
        "miss_next_index": table.miss_next_index,
        "mask_length": len(table.mask),
        "mask": table.mask,
    }


@handles("classify_table_by_interface")
def classify_table_by_interface(vpp: Vpp, request: Values) -> Reply:
    """What is noted for input: for output VPP has no dump, and of a deleted interface's slots it still tells."""
    index, noted = request["sw_if_index"], vpp.state.acl_slots["input"]
    known = vpp.state.interfaces.find(index) is not None
    fields: Values = {
        f"{name}_table_id": noted.get((index, name), NONE) if known else NONE for name in ("l2", "ip4", "ip6")
    }
    fields["sw_if_index"] = index
    if not known:
        raise Refused(INVALID_SW_IF_INDEX, **fields)
    return fields


@handles("input_acl_set_interface")
def input_acl_set_interface(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    slots = AclSlots(interface.sw_if_index, vpp.state.acl_slots["input"], interface.input_acl)
    slots.set(vpp.state.classifier, _wanted(request), request["is_add"])
    return {}


@handles("output_acl_set_interface")
def output_acl_set_interface(vpp: Vpp, request: Values) -> Reply:
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    slots = AclSlots(interface.sw_if_index, vpp.state.acl_slots["output"], interface.output_acl)
    slots.set(vpp.state.classifier, _wanted(request), request["is_add"])
    return {}


def _wanted(request: Values) -> dict[str, int]:
    return {name: request[f"{name}_table_index"] for name in ("ip4", "ip6", "l2")}
