"""systemd-networkd: which .network file has the NIC, and whether it would have the host's interface (F01).

The first file whose [Match] fits, by file name, is the one (systemd.network(5)); all keys of a [Match] must fit. Keys
about the machine (Host=, Virtualization=, …) hold or do not for both interfaces, and are taken to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from hostlink.preflight.files import File, Sections, last, sections
from hostlink.preflight.interface import Finding, Interface, bare_mac
from hostlink.problems import problem

Match = Mapping[str, Sequence[str]]
_NEVER = ("WLANInterfaceType", "SSID", "BSSID")
_YES = ("yes", "true", "on", "1")


def judge(files: Sequence[File], nic: Interface, ours: Interface) -> Finding:
    """files: in the order in which networkd tries them. nic: now; ours: what takes its place."""
    trees = [(file, sections(file.text)) for file in files]
    now, then = _first(trees, nic), _first(trees, ours)
    manages = None if now is None or _unmanaged(now[1]) else f"systemd-networkd ({now[0].path})"
    if now is None or now == then:
        return Finding(manages)
    missed = " and ".join(f"{key}=" for key in unfit_keys(now[1].get("Match", {}), ours))
    after = f"{then[0].path} would match that instead" if then else "no file would match that"
    text = f"{now[0].path} matches {nic.name} by {missed}, which does not fit the host's interface; {after}"
    return Finding(manages, (problem("HL-117", text),))


def _first(trees: Sequence[tuple[File, Sections]], one: Interface) -> tuple[File, Sections] | None:
    return next((found for found in trees if fits(found[1].get("Match", {}), one)), None)


def _unmanaged(tree: Sections) -> bool:
    return last(tree, "Link", "Unmanaged").lower() in _YES


def fits(match: Match, one: Interface) -> bool:
    """Whether a [Match] fits an interface. An empty one fits none: networkd and udev leave such a file out."""
    return any(match.values()) and not unfit_keys(match, one)


def unfit_keys(match: Match, one: Interface) -> list[str]:
    """The keys of a [Match] that keep it from fitting."""
    return [key for key, values in match.items() if values and not _fits_key(key, " ".join(values), one)]


def _fits_key(key: str, value: str, one: Interface) -> bool:
    if key in _NEVER:
        return False
    if key == "Property":  # udev's: the NIC is believed to have it
        return not one.is_new
    test = _TESTS.get(key)
    return test is None or test(value, one)


def _in_globs(value: str, texts: Sequence[str]) -> bool:
    """A list of patterns; one that begins with `!` means everything else."""
    negated, patterns = value.startswith("!"), value.removeprefix("!").split()
    return any(fnmatchcase(text, pattern) for text in texts for pattern in patterns) is not negated


def _in_macs(value: str, mac: str | None) -> bool:
    return mac is not None and bare_mac(mac) in [bare_mac(one) for one in value.split()]


_TESTS: Mapping[str, Callable[[str, Interface], bool]] = {
    "Name": lambda value, one: _in_globs(value, one.names),
    "OriginalName": lambda value, one: _in_globs(value, (one.first_name,)),
    "MACAddress": lambda value, one: _in_macs(value, one.mac),
    "PermanentMACAddress": lambda value, one: _in_macs(value, one.permanent_mac),
    "Driver": lambda value, one: _in_globs(value, [one.driver] if one.driver else []),
    "Path": lambda value, one: _in_globs(value, [one.path] if one.path else []),
    "Type": lambda value, _: _in_globs(value, ("ether",)),
    "Kind": lambda value, one: _in_globs(value, [one.kind] if one.kind else []),
}
