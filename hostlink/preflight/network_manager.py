"""NetworkManager: whether it manages the NIC, by which profile, and whether that would do for the host's interface.

Its own source says what fits: a profile of type ethernet goes to no tun device (nm-device-tun.c), and `mac-address` is
compared with the permanent MAC, which a device without one never fits (nm-device-ethernet.c). Only keyfiles are looked
at: profiles of other plugins (ifcfg-rh) and those it makes by itself are not in them. nm-settings-keyfile(5),
NetworkManager.conf(5) "Device List Format".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from hostlink.core.model import Problem
from hostlink.preflight.files import File, Sections, last, sections
from hostlink.preflight.interface import Finding, Interface, bare_mac
from hostlink.problems import problem

_ETHERNET = ("ethernet", "802-3-ethernet")
_KEEP_MAC = ("", "preserve")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)


def judge(configuration: Sequence[File], profiles: Sequence[File], nic: Interface, ours: Interface) -> Finding:
    """configuration: NetworkManager.conf and its drop-ins, the one that counts most last. profiles: keyfiles."""
    unmanaged = unmanaged_devices(configuration)
    now, then = in_device_list(unmanaged, nic), in_device_list(unmanaged, ours)
    if now:
        text = f"unmanaged-devices ({unmanaged}) has {nic.name} now, and would not have the host's interface"
        return Finding(None, () if then else (problem("HL-118", text),))
    trees = [(file.path, tree) for file in profiles if not unfit(tree := sections(file.text), nic)]
    paths = ", ".join(path for path, _ in trees) or "no keyfile of its own"
    found = [*_given_up(unmanaged, then), *_unfit(trees, ours), *_cloned(trees, ours)]
    return Finding(f"NetworkManager ({paths})", tuple(found))


def unmanaged_devices(configuration: Sequence[File]) -> str:
    """The list that is in force; empty where there is none."""
    found = ""
    for file in configuration:
        for key, values in sections(file.text).get("keyfile", {}).items():
            if key == "unmanaged-devices":
                found = values[-1] if values else ""
            elif key == "unmanaged-devices+" and values:
                found = ";".join([found, *values]) if found else ";".join(values)
    return found


def in_device_list(spec: str, one: Interface) -> bool:
    """Whether a device list has that interface. `except:` wins; of nothing but these, everything else is in it."""
    items = [item for item in re.split(r"[;,\s]+", spec) if item]
    excepted = [item.removeprefix("except:") for item in items if item.startswith("except:")]
    wanted = [item for item in items if not item.startswith("except:")]
    if any(_is_item(item, one) for item in excepted):
        return False
    return any(_is_item(item, one) for item in wanted) or bool(excepted and not wanted)


def _is_item(item: str, one: Interface) -> bool:
    kind, _, value = item.partition(":")
    if item == "*":
        return True
    if _MAC.fullmatch(item) or kind == "mac":
        mac = item if _MAC.fullmatch(item) else value
        return one.permanent_mac is not None and bare_mac(mac) == bare_mac(one.permanent_mac)
    if kind == "interface-name":
        return fnmatchcase(one.name, value.removeprefix("=").removeprefix("~"))
    if kind == "driver":
        return one.driver is not None and fnmatchcase(one.driver, value)
    if kind == "type":
        return value == _type(one)
    return item == one.name


def _type(one: Interface) -> str:
    return one.kind if one.kind in ("tun", "veth") else "ethernet"


def unfit(tree: Sections, one: Interface) -> list[str]:
    """Why a profile does not fit an interface, in its own keys; empty: it does."""
    found = []
    type_ = last(tree, "connection", "type")
    if not (type_ in _ETHERNET and one.kind != "tun") and type_ != _type(one):
        found.append(f"type={type_}")
    name = last(tree, "connection", "interface-name")
    if name and name != one.name:
        found.append(f"interface-name={name}")
    mac = next((text for section in (*_ETHERNET, "wired") if (text := last(tree, section, "mac-address"))), "")
    if mac and (one.permanent_mac is None or bare_mac(mac) != bare_mac(one.permanent_mac)):
        found.append(f"mac-address={mac}")
    for key, said in (("driver", one.driver), ("path", one.path), ("interface-name", one.name)):
        patterns = [part for part in re.split(r"[;\s]+", last(tree, "match", key)) if part]
        if patterns and not any(said and fnmatchcase(said, pattern) for pattern in patterns):
            found.append(f"[match] {key}={';'.join(patterns)}")
    return found


def _given_up(unmanaged: str, then: bool) -> list[Problem]:
    return [problem("HL-118", f"unmanaged-devices ({unmanaged}) would have the host's interface")] if then else []


def _unfit(trees: Sequence[tuple[str, Sections]], ours: Interface) -> list[Problem]:
    """Nothing where one of the NIC's profiles fits the host's interface too. Without one, it goes by its type."""
    if not trees and ours.kind == "tun":
        return [problem("HL-118", "no keyfile fits the NIC, and by itself NetworkManager makes no profile for a tap")]
    reasons = {path: unfit(tree, ours) for path, tree in trees}
    if not all(reasons.values()):
        return []
    return [problem("HL-118", f"{path} has {' and '.join(why)}") for path, why in reasons.items()]


def _cloned(trees: Sequence[tuple[str, Sections]], ours: Interface) -> list[Problem]:
    found = []
    for path, tree in trees:
        macs = [last(tree, section, "cloned-mac-address") for section in (*_ETHERNET, "wired")]
        mac = next((mac for mac in macs if mac), "")
        if mac not in _KEEP_MAC and bare_mac(mac) != bare_mac(ours.mac) and not unfit(tree, ours):
            found.append(problem("HL-120", f"{path} has cloned-mac-address={mac}"))
    return found
