"""VPP's error numbers, as far as the stand-in answers them (VPP: the table of `vnet/error.h`).

A handler refuses by raising Refused; the server puts the number into the reply's `retval`.
"""

from __future__ import annotations

UNSPECIFIED = -1
INVALID_SW_IF_INDEX = -2
NO_SUCH_FIB = -3
NO_SUCH_ENTRY = -6
INVALID_VALUE = -7
INVALID_SW_IF_INDEX_2 = -10
SYSCALL_ERROR_1 = -11
SYSCALL_ERROR_2 = -12
SYSCALL_ERROR_3 = -13
INVALID_REGISTRATION = -31
NO_PATHS_IN_ROUTE = -52
NO_MATCHING_INTERFACE = -54
ADDRESS_LENGTH_MISMATCH = -59
ADDRESS_NOT_FOUND_FOR_INTERFACE = -60
ADDRESS_NOT_DELETABLE = -61
IP6_NOT_ENABLED = -62
NO_SUCH_TABLE = -65
NO_SUCH_TABLE2 = -66
NO_SUCH_TABLE3 = -67
INVALID_MEMORY_SIZE = -70
INVALID_INTERFACE = -71
UNEXPECTED_INTF_STATE = -74
IF_ALREADY_EXISTS = -79
VALUE_EXIST = -81
CLASSIFY_TABLE_NOT_FOUND = -91
INVALID_ADDRESS_FAMILY = -97
ADDRESS_IN_USE = -105
ADDRESS_FOUND_FOR_INTERFACE = -114
UNSUPPORTED = -126
DUPLICATE_IF_ADDRESS = -127
INIT_FAILED = -144
NETLINK_ERROR = -145
INVALID_PROTOCOL = -153
INVALID_PREFIX_LENGTH = -171


class Refused(Exception):
    """A request that VPP refuses, with the fields that its reply carries even then."""

    def __init__(self, retval: int, **fields: object) -> None:
        super().__init__(retval)
        self.retval = retval
        self.fields = fields
