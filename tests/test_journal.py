"""The journal: durable, whole or absent, and never acted on when anything about it is wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostlink.core.alike import Alike, place_of
from hostlink.core.model import Address, Capture, HostView, Link, NextHop, Probe, Route
from hostlink.core.route_set import RouteSet
from hostlink.journal import (
    Awaits,
    Confirm,
    Journal,
    JournalError,
    JournalFault,
    Parking,
    Phase,
    Takeover,
    _digest,
    journal_for,
    journals_in,
)
from hostlink.problems import explain

VIEW = HostView(
    link=Link("eth0", 3, "52:54:00:40:46:8e", 1500),
    addresses=(Address(IPv4Interface("192.168.0.1/24")),),
    routes=(Route(IPv4Network("0.0.0.0/0"), 254, (NextHop(3),), body=b"\x02\x00"),),
)
TAKEOVER = Takeover(Capture("eth0", VIEW), VIEW, "af_packet", "tap", Parking("vpp", "eth0"), read_at_s=12.5)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return journal_for(tmp_path / "state" / "hostlink", "eth0")


def refusal(journal: Journal) -> JournalError:
    with pytest.raises(JournalError) as caught:
        journal.read()
    return caught.value


def test_what_is_written_is_read_with_its_generation(journal: Journal) -> None:
    assert journal.read() is None
    first = journal.write(TAKEOVER)
    assert first == replace(TAKEOVER, generation=1) == journal.read()
    second = journal.write(replace(first, phase=Phase.TAKEN, parking=Parking("vpp", "eth0", 7), owned=VIEW.routes))
    assert second.generation == 2
    again = journal.read()
    assert again == second
    assert again is not None
    assert again.owned[0].body == b"\x02\x00"


def test_texts_that_look_like_keys_are_read_as_they_were(journal: Journal) -> None:
    """In the file each key begins a line."""
    link = replace(VIEW.link, alias="odd:", altnames=(":", '":', "{", ',"a":'))
    written = journal.write(replace(TAKEOVER, driver="ä:", last_good=replace(VIEW, link=link)))
    assert journal.read() == written
    lines = journal.path.read_text("ascii").splitlines()
    assert [line for line in lines if "odd:" in line] == ['{"alias":"odd:"']


def test_only_its_owner_may_read_it(journal: Journal) -> None:
    journal.write(TAKEOVER)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_may_look_into_is_closed(journal: Journal) -> None:
    journal.path.parent.mkdir(parents=True, mode=0o755)
    journal.write(TAKEOVER)
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_discard_removes_it_and_may_be_repeated(journal: Journal) -> None:
    journal.discard()
    journal.write(TAKEOVER)
    journal.discard()
    journal.discard()
    assert journal.read() is None


def test_all_journals_of_a_folder_whatever_the_configuration_says(tmp_path: Path) -> None:
    for name in ("eth1", "eth0", "eth0.100"):
        view = replace(VIEW, link=replace(VIEW.link, name=name))
        journal_for(tmp_path, name).write(replace(TAKEOVER, capture=Capture(name, view)))
    (tmp_path / ".eth2.json.new").write_text("left by a death")
    (tmp_path / "notes.txt").write_text("somebody's")
    assert [journal.path.name for journal in journals_in(tmp_path)] == ["eth0.100.json", "eth0.json", "eth1.json"]
    assert all(journal.read() for journal in journals_in(tmp_path))
    assert journals_in(tmp_path / "absent") == ()


def test_a_name_that_is_a_path_is_refused(tmp_path: Path) -> None:
    for name in ("../eth0", "", ".", ".."):
        with pytest.raises(ValueError, match="no interface name"):
            journal_for(tmp_path, name)


def packed_view() -> HostView:
    """As a look finds a full table: 20,000 routes by two gateways, one IPv6 route, one that expires."""
    fours = [Route(IPv4Network("20.0.0.0/24"), 254, (NextHop(3, IPv4Address(f"192.168.0.{n}")),)) for n in (7, 8)]
    kinds = [Alike.of(one, (b"<", b"|", b"> %d" % number)) for number, one in enumerate(fours)]
    alike = {place_of(IPv4Network((0x14000000 + (n << 8), 24))): kinds[n % 2] for n in range(20_000)}
    six = Route(ip_network("2001:db8::/48"), 254, (NextHop(3),))
    alike[place_of(six.prefix)] = Alike.of(six, (b"<", b"|", b">"))
    short = replace(six, prefix=ip_network("2001:db8:7::/48"), expires_s=90, body=b"short")
    return replace(VIEW, routes=RouteSet((*VIEW.routes, short), alike))


def test_a_full_table_is_written_packed_and_read_back(journal: Journal) -> None:
    view = packed_view()
    written = journal.write(replace(TAKEOVER, capture=Capture("eth0", view), last_good=view))
    assert journal.path.stat().st_size < 20 * 20_000, "both views of it"
    read = journal.read()
    assert read == written
    assert read is not None
    assert read.last_good.routes == view.routes == read.capture.view.routes
    assert {route.body for route in read.last_good.routes} == {route.body for route in view.routes}
    assert [route.expires_s for route in read.last_good.routes if route.expires_s] == [90]
    assert journal.write(replace(read, phase=Phase.TAKEN)).generation == 2


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=40,
)


@given(trees)
def test_the_checksum_is_that_of_the_whole_text(tree: object) -> None:
    """As earlier hostlinks have made it, in one go."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert _digest(tree) == hashlib.sha256(text.encode()).hexdigest()


def test_destinations_that_are_none_are_refused(journal: Journal) -> None:
    """Whoever wrote them has made the checksum fit."""
    view = packed_view()
    journal.write(replace(TAKEOVER, capture=Capture("eth0", view), last_good=view))
    tree = json.loads(journal.path.read_bytes())
    for places in ("GBQAAQ==", "IRQAAQA=", "GBQAAQE="):
        tree["body"]["last_good"]["routes"]["alike"][0]["places"] = places
        text = json.dumps(tree["body"], sort_keys=True, separators=(",", ":"))
        journal.path.write_text(json.dumps({**tree, "sha256": hashlib.sha256(text.encode()).hexdigest()}))
        error = refusal(journal)
        assert error.fault is JournalFault.DAMAGED
        assert "no destinations" in str(error)


# ----------------------------------------------------------------------------------------------------------- refusals


def test_every_cut_of_the_file_is_refused(journal: Journal) -> None:
    journal.write(TAKEOVER)
    whole = journal.path.read_bytes()
    for length in [*range(0, len(whole) - 2, 7), len(whole) - 2]:  # without the newline at its end it is whole
        journal.path.write_bytes(whole[:length])
        assert refusal(journal).fault is JournalFault.DAMAGED


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_every_changed_byte_is_refused_or_changes_nothing(journal: Journal, data: st.DataObject) -> None:
    if journal.read() is None:
        journal.write(TAKEOVER)
    whole = journal.path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    journal.path.write_bytes(whole[:position] + bytes([data.draw(st.integers(0, 255))]) + whole[position + 1 :])
    try:
        assert journal.read() == replace(TAKEOVER, generation=1)  # white space
    except JournalError:
        pass
    finally:
        journal.path.write_bytes(whole)


def edited(journal: Journal, **envelope: object) -> None:
    journal.write(TAKEOVER)
    content = {**json.loads(journal.path.read_text()), **envelope}
    journal.path.write_text(json.dumps(content))


def test_an_earlier_builds_journal_is_used_as_it_is(journal: Journal) -> None:
    """It does not say when it was read, so nothing has run down since."""
    journal.write(TAKEOVER)
    content = json.loads(journal.path.read_text())
    del content["body"]["read_at_s"]
    content["version"] = 1
    text = json.dumps(content["body"], sort_keys=True, separators=(",", ":"))
    content["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    journal.path.write_text(json.dumps(content))
    found = journal.read()
    assert found == replace(TAKEOVER, generation=1, read_at_s=0.0)
    assert found.age_s(1000.0) == 0
    assert TAKEOVER.age_s(1000.0) == 987


def test_an_altered_body_is_found_by_its_checksum(journal: Journal) -> None:
    journal.write(TAKEOVER)
    journal.path.write_text(journal.path.read_text().replace("192.168.0.1/24", "192.168.0.7/24"))
    error = refusal(journal)
    assert error.fault is JournalFault.DAMAGED
    assert "checksum" in str(error)


def test_a_newer_hostlinks_file_is_left_to_it(journal: Journal) -> None:
    edited(journal, version=5)
    error = refusal(journal)
    assert error.fault is JournalFault.NEWER
    assert "version 5, of a newer hostlink; this one knows 4" in str(error)


def test_an_older_hostlinks_file_is_read_as_it_was_meant(journal: Journal) -> None:
    """Version 1 knew neither a time to confirm nor TCP probes."""
    probed = replace(TAKEOVER.capture, probes=(Probe("echo", IPv4Address("192.168.0.254")),))
    written = journal.write(replace(TAKEOVER, capture=probed, phase=Phase.TAKEN, confirm=Confirm(12.5)))
    tree = json.loads(journal.path.read_bytes())
    del tree["body"]["confirm"], tree["body"]["capture"]["probes"][0]["port"]
    text = json.dumps(tree["body"], sort_keys=True, separators=(",", ":"))
    older = {**tree, "version": 1, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    journal.path.write_text(json.dumps(older))
    assert journal.read() == replace(written, confirm=None)
    journal.path.write_text(json.dumps({**older, "version": 4}))
    assert refusal(journal).fault is JournalFault.DAMAGED, "of this version nothing may be missing"


def test_what_version_2_did_not_know_of_a_link_is_left_as_it_is(journal: Journal) -> None:
    """Flags, group, queueing and the like; and no daemon had died."""
    written = journal.write(replace(TAKEOVER, phase=Phase.TAKEN))
    tree = json.loads(journal.path.read_bytes())
    del tree["body"]["deaths"]
    for view in (tree["body"]["last_good"], tree["body"]["capture"]["view"]):
        for name in ("qdisc", "multicast", "stuck"):
            del view[name]
        for name in ("flags", "group", "token"):
            del view["link"][name]
    text = json.dumps(tree["body"], sort_keys=True, separators=(",", ":"))
    older = {**tree, "version": 2, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    journal.path.write_text(json.dumps(older))
    assert journal.read() == written
    assert written.last_good.link.flags is None


def test_what_is_to_be_confirmed_is_read_as_it_was_written(journal: Journal) -> None:
    confirm = Confirm(1234.5, Awaits.PERSON)
    journal.write(replace(TAKEOVER, confirm=confirm))
    again = journal.read()
    assert again is not None
    assert again.confirm == confirm


@pytest.mark.parametrize(
    ("envelope", "fault"),
    [
        ({"format": "other"}, JournalFault.FOREIGN),
        ({"version": "1"}, JournalFault.DAMAGED),
        ({"version": True}, JournalFault.DAMAGED),
        ({"version": 0}, JournalFault.DAMAGED),
        ({"sha256": None}, JournalFault.DAMAGED),
        ({"body": None}, JournalFault.DAMAGED),
    ],
)
def test_each_part_of_the_envelope_counts(journal: Journal, envelope: dict[str, object], fault: JournalFault) -> None:
    edited(journal, **envelope)
    assert refusal(journal).fault is fault


def test_a_body_that_fits_its_checksum_and_no_takeover_is_refused_with_the_place(journal: Journal) -> None:
    journal.write(TAKEOVER)
    body = json.loads(journal.path.read_text())["body"]
    body["capture"]["view"]["link"]["mtu_bytes"] = "1500"
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    journal.discard()
    edited(journal, body=body, sha256=hashlib.sha256(canonical.encode()).hexdigest())
    assert "capture.view.link.mtu_bytes" in str(refusal(journal))


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"format":"hostlink-journal"}'])
def test_what_is_no_journal_is_refused(journal: Journal, raw: bytes) -> None:
    journal.path.parent.mkdir(parents=True)
    journal.path.write_bytes(raw)
    journal.path.chmod(0o600)
    assert refusal(journal).fault in (JournalFault.DAMAGED, JournalFault.FOREIGN)


def test_a_journal_under_another_uplinks_name_is_refused(journal: Journal) -> None:
    journal.write(TAKEOVER)
    other = Journal(journal.path.with_name("eth1.json"))
    journal.path.rename(other.path)
    assert refusal(other).fault is JournalFault.FOREIGN


def test_a_file_that_others_could_write_is_refused(journal: Journal) -> None:
    journal.write(TAKEOVER)
    journal.path.chmod(0o620)
    assert refusal(journal).fault is JournalFault.FOREIGN


def test_a_link_or_a_pipe_in_its_place_is_refused_at_once(journal: Journal) -> None:
    journal.write(TAKEOVER)
    moved = journal.path.rename(journal.path.with_name("elsewhere"))
    journal.path.symlink_to(moved)
    assert refusal(journal).fault is JournalFault.UNREADABLE
    journal.path.unlink()
    os.mkfifo(journal.path)
    assert refusal(journal).fault is JournalFault.FOREIGN


def test_a_refused_file_is_not_written_over(journal: Journal) -> None:
    journal.write(TAKEOVER)
    journal.path.write_bytes(b"torn")
    with pytest.raises(JournalError):
        journal.write(TAKEOVER)
    assert journal.path.read_bytes() == b"torn"


def test_the_text_says_which_file_what_and_what_to_do(journal: Journal) -> None:
    journal.path.parent.mkdir(parents=True)
    journal.path.write_bytes(b"{")
    journal.path.chmod(0o600)
    error = refusal(journal)
    assert str(error) == (
        f"{journal.path}: is torn or no journal at all; hostlink has left it as it is and done nothing with it: "
        "compare the node's network with what it should be, mend it by hand, then move the file away"
    )
    assert error.problem.code == "HL-501"
    assert str(journal.path) in error.problem.detail


def test_every_fault_is_a_registered_problem() -> None:
    for fault in JournalFault:
        assert explain(fault.value).title.startswith("journal")


# ------------------------------------------------------------------------------------------------- order and accidents


def test_a_write_that_follows_an_old_one_is_refused(journal: Journal) -> None:
    first = journal.write(TAKEOVER)
    journal.write(first)
    for old in (first, TAKEOVER):
        with pytest.raises(JournalError) as caught:
            journal.write(old)
        assert caught.value.fault is JournalFault.OVERTAKEN
    assert journal.read() == replace(TAKEOVER, generation=2)


def test_a_write_to_a_journal_that_was_discarded_meanwhile_is_refused(journal: Journal) -> None:
    first = journal.write(TAKEOVER)
    journal.discard()
    with pytest.raises(JournalError) as caught:
        journal.write(first)
    assert caught.value.fault is JournalFault.OVERTAKEN


def test_the_capture_never_changes(journal: Journal) -> None:
    first = journal.write(TAKEOVER)
    with pytest.raises(JournalError, match="another capture"):
        journal.write(replace(first, capture=Capture("eth0", replace(VIEW, addresses=()))))
    assert journal.read() == first


def test_what_a_death_left_behind_is_written_over(journal: Journal) -> None:
    journal.path.parent.mkdir(parents=True)
    journal.path.with_name(".eth0.json.new").write_text("half of a journal")
    journal.write(TAKEOVER)
    assert [path.name for path in journal.path.parent.iterdir()] == ["eth0.json"]


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError) as caught:
        journal_for(tmp_path / "file" / "folder", "eth0").write(TAKEOVER)
    assert caught.value.fault in (JournalFault.UNWRITABLE, JournalFault.UNREADABLE)


def test_a_full_disk_leaves_the_old_journal_and_no_half_one(journal: Journal) -> None:
    """A file size limit stands for the disk: the kernel cuts the write short, then refuses it, as a full disk does."""
    first = journal.write(TAKEOVER)
    larger = replace(first, last_good=replace(VIEW, routes=VIEW.routes * 2000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, before[1]))
    try:
        with pytest.raises(JournalError) as caught:
            journal.write(larger)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert caught.value.fault is JournalFault.UNWRITABLE
    assert os.strerror(errno.EFBIG) in str(caught.value)
    assert journal.read() == first
    assert [path.name for path in journal.path.parent.iterdir()] == ["eth0.json"]


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_journal import TAKEOVER, VIEW
from hostlink.journal import Journal
takeover = replace(TAKEOVER, last_good=replace(VIEW, routes=VIEW.routes * 300))
journal = Journal(Path(sys.argv[1]))
while True:
    takeover = journal.write(takeover)
    print(takeover.generation, flush=True)
"""


def test_killed_at_any_moment_it_is_the_old_one_or_the_new_one(journal: Journal) -> None:
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    for wanted in range(2, 5):
        journal.discard()
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(journal.path), *folders], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        with writer.stdout:
            said = next(int(line) for line in writer.stdout if int(line) == wanted)
            writer.kill()
            writer.wait()
        found = journal.read()
        assert found is not None
        assert found.generation >= said
