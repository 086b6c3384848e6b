"""A private copy of vpp_papi for each set of API definitions, because its type registry is global and first-wins.

vpp_papi keeps the types it has seen in module globals and never replaces one: after a connection to a VPP of another
release, changed types silently keep their old fields. Everything in the package imports relatively, so loading the same
files once more under another package name gives a registry of its own; the copies share nothing. The road not taken is
to empty the globals of the one copy, which would break the messages of a session that is still open.

Only its loader and its packers are used: no transport, no thread.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
from typing import Any

import vpp_papi

_copies = itertools.count(1)


def private_copy() -> tuple[Any, Any]:
    """Load vpp_papi afresh. Returns (VPPApiJSONFiles, the serializer module), with nothing but the base types known."""
    name = f"hostlink_vpp_papi_{next(_copies)}"
    spec = importlib.util.spec_from_file_location(
        name, vpp_papi.__file__, submodule_search_locations=list(vpp_papi.__path__)
    )
    if spec is None or spec.loader is None:
        raise ImportError("vpp_papi is not importable as files; hostlink needs a registry of its own for each VPP")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    serializer = importlib.import_module(f"{name}.vpp_serializer")
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[module]  # else no copy would ever be freed
    _mend_strings(serializer)
    return package.VPPApiJSONFiles, serializer


def _mend_strings(serializer: Any) -> None:
    """Give this copy strings that survive what other people write into VPP.

    vpp_papi decodes as strict ASCII, so one foreign tag in UTF-8 makes every dump of the interfaces fail; and it counts
    an empty variable string as 0 bytes, not as its 4-byte length field, which shifts whatever follows.
    """

    class String(serializer.String):  # type: ignore[misc]
        def pack(self, text: str | None, *_unused: Any) -> bytes:
            data = (text or "").encode("utf-8", "surrogateescape")
            if self.limit and len(data) > self.limit - 1:
                raise serializer.VPPSerializerValueError(f"{self.name} is longer than {self.limit - 1} bytes: {text!r}")
            if self.fixed:
                return data.ljust(self.num, b"\0")
            return bytes(self.length_field_packer.pack(len(data))) + data

        def unpack(self, data: bytes, offset: int = 0, *_unused: Any, **_ignored: Any) -> tuple[str, int]:
            if self.fixed:
                raw, size = serializer.BaseTypes("u8", self.num).unpack(data, offset)
            else:
                length, size = self.length_field_packer.unpack(data, offset)
                raw = bytes(data[offset + size : offset + size + length])
                if len(raw) != length:
                    raise serializer.VPPSerializerValueError(f"{self.name} is cut off: {len(raw)} of {length} bytes")
                size += length
            return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape"), size

    serializer.String = String
    serializer.types["string"] = String
