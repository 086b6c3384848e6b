"""Message names, ids and definitions of one session: VPP numbers its messages anew each time it starts.

VPP's answer to sockclnt_create is a table `name_crc` → id. A message can be used when the definition that VPP gave
has the very CRC that its table has; anything else is a contract that does not hold, and is named as such.
"""

from __future__ import annotations

from collections.abc import Mapping

from hostlink.vpp.codec import Codec
from hostlink.vpp.contract import CONTRACT, split_key
from hostlink.vpp.errors import ContractError, Missing, VppBadRequest, VppProtocolError

NO_DEFINITION = -1
"""Instead of an offset: a message that VPP's table names and that has no definition here."""


class Dictionary:
    """Names and ids by one codec and one message table (`name_crc` → id)."""

    def __init__(self, codec: Codec, message_table: Mapping[str, int]) -> None:
        self.codec = codec
        self.message_table = message_table
        self._names = {message_id: split_key(key) for key, message_id in message_table.items()}
        self._context_offsets: dict[int, int | None] = {}

    def id_of(self, name: str) -> int:
        """The id of a message. ContractError: this VPP has none of that name and definition."""
        definition = self.codec.messages.get(name)
        crc = CONTRACT.get(name, "any") if definition is None else definition.crc[2:]
        message_id = self.message_table.get(f"{name}_{crc}")
        if message_id is None:
            found = dict(self._names.values()).get(name)
            raise ContractError((Missing(name, crc, found),))
        return message_id

    def name_of(self, message_id: int) -> str:
        """The name of an id that came in. VppProtocolError: VPP's own table has no such id."""
        if message_id not in self._names:
            raise VppProtocolError(f"a message with id {message_id} came, which is not in the table that VPP gave")
        return self._names[message_id][0]

    def answer_to(self, name: str, *, dump: bool = False) -> str:
        """The reply's name, or with `dump` the details'. VppBadRequest: that message is not answered so (our bug)."""
        service = self.codec.services.get(name)
        if service is None or service["reply"] == "null":
            raise VppBadRequest(f"{name} is not a request with an answer")
        if dump != bool(service.get("stream")) or "stream_msg" in service:
            right = "a stream with a cursor" if "stream_msg" in service else "one reply" if dump else "a dump"
            raise VppBadRequest(f"{name} is answered by {right}")
        return str(service["reply"])

    def context_offset(self, message_id: int) -> int | None:
        """Where a message has its context; None: it has none, so it is an event; or NO_DEFINITION."""
        if message_id not in self._context_offsets:
            self._context_offsets[message_id] = self._find_context(message_id)
        return self._context_offsets[message_id]

    def _find_context(self, message_id: int) -> int | None:
        name = self.name_of(message_id)
        definition = self.codec.messages.get(name)
        if definition is None or definition.crc[2:] != self._names[message_id][1]:
            return NO_DEFINITION
        return self.codec.offset_of(name, "context")
