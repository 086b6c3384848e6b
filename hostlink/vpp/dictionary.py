"""Message names, ids and definitions of one session: VPP numbers its messages anew each time it starts.

VPP's answer to sockclnt_create is a table `name_crc` → id. A message can be used when the definition that VPP gave
has the very CRC that its table has; anything else is a contract that does not hold, and is named as such.
"""

from __future__ import annotations

from collections.abc import Mapping

from hostlink.vpp.codec import Answer, Codec, Kind
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
        crc = self.codec.crcs.get(name) or CONTRACT.get(name, "any")
        message_id = self.message_table.get(f"{name}_{crc}")
        if message_id is None or name not in self.codec.crcs:
            raise ContractError((Missing(name, crc, dict(self._names.values()).get(name)),))
        return message_id

    def name_of(self, message_id: int) -> str:
        """The name of an id that came in. VppProtocolError: VPP's own table has no such id."""
        if message_id not in self._names:
            raise VppProtocolError(f"a message with id {message_id} came, which is not in the table that VPP gave")
        return self._names[message_id][0]

    def answer_to(self, name: str, kind: Kind = Kind.REPLY) -> str:
        """Name of the reply or details that answer a request. VppBadRequest: it is answered in another way (our bug).

        ContractError: this VPP has no such message.
        """
        self.id_of(name)
        answer = self.codec.answers.get(name, Answer(Kind.NOTHING, ""))
        if answer.kind is not kind:
            raise VppBadRequest(f"{name} is answered by {answer.kind.value}, not by {kind.value}")
        return answer.message

    def context_offset(self, message_id: int) -> int | None:
        """Where a message has its context; None: it has none, so it is an event; or NO_DEFINITION."""
        if message_id not in self._context_offsets:
            self._context_offsets[message_id] = self._find_context(message_id)
        return self._context_offsets[message_id]

    def _find_context(self, message_id: int) -> int | None:
        name = self.name_of(message_id)
        if self.codec.crcs.get(name) != self._names[message_id][1]:
            return NO_DEFINITION
        return self.codec.offset_of(name, "context")
