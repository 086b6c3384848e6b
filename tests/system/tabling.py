"""What scenarios about the host's other tables look at: VPP's tables by number and name, and whose is which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hostlink.core.vpp_tables import MARK
from hostlink.lab.factor import deadline_factor
from hostlink.lab.stage import Stage
from hostlink.vpp.session import Session, open_session
from tests.system.rounds import eventually

_REQUEST_S = 5.0
Names = dict[tuple[int, int], str]
"""(number, IP version) → name, without VPP's table 0."""


def number(host_table: int) -> int:
    """VPP's number of it."""
    return MARK ^ host_table


def made(*tables: tuple[int, int]) -> Names:
    """hostlink's tables for these (table of the host, IP version)."""
    return {(number(table), version): f"hostlink {table}" for table, version in tables}


@asynccontextmanager
async def client(stage: Stage) -> AsyncIterator[Session]:
    """Another client of the same VPP."""
    async with open_session(stage.api_socket, client_name="another", deadline_s=_REQUEST_S * deadline_factor()) as one:
        yield one


async def tables(session: Session) -> Names:
    details = [one.table for one in await session.dump("ip_table_dump")]
    return {(int(one.table_id), 6 if one.is_ip6 else 4): str(one.name) for one in details if one.table_id}


async def has_tables(session: Session, what: str, wanted: Names, within_s: float = 10.0) -> None:
    """Wait until VPP has just these. Raises FlowError with what it has."""
    there: list[Names] = []

    async def so() -> bool:
        there[:] = [await tables(session)]
        return there[0] == wanted

    try:
        await eventually(what, so, within_s)
    except Exception as error:
        error.add_note(f"VPP has {there}, and not {wanted}")
        raise


async def set_table(session: Session, table_id: int, *, is_add: bool, name: str = "", is_ip6: bool = False) -> None:
    """Make or delete a table, as any client may."""
    table = {"table_id": table_id, "is_ip6": is_ip6, "name": name}
    await session.request("ip_table_add_del_v2", is_add=is_add, create_mfib=True, table=table)
