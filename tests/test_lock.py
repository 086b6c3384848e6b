"""One hostlink at a time, and a lock that no death can leave behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hostlink.lock import LockedError, acquire_lock

HOLDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from hostlink.lock import acquire_lock
lock = acquire_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_one_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    with acquire_lock(tmp_path / "run"), pytest.raises(LockedError) as caught:
        acquire_lock(tmp_path / "run")
    assert caught.value.pid == os.getpid()
    assert f"process {os.getpid()}" in str(caught.value)
    assert "nothing was started" in str(caught.value)


def test_it_is_free_again_after_release_which_may_be_repeated(tmp_path: Path) -> None:
    lock = acquire_lock(tmp_path)
    lock.release()
    lock.release()
    acquire_lock(tmp_path).release()
    assert (tmp_path / "lock").read_text() == ""


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[1])
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    with holder.stdout, holder.stdin:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError) as caught:
            acquire_lock(tmp_path)
        assert caught.value.pid == holder.pid
        holder.kill()
        holder.wait()
    with acquire_lock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_child_of_the_holder_does_not_keep_it(tmp_path: Path) -> None:
    lock = acquire_lock(tmp_path)
    child = subprocess.Popen(["sleep", "100"], close_fds=False)
    try:
        lock.release()
        acquire_lock(tmp_path).release()
    finally:
        child.kill()
        child.wait()


def test_only_its_owner_may_read_it_or_list_its_folder(tmp_path: Path) -> None:
    with acquire_lock(tmp_path / "run"):
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o711
        assert stat.S_IMODE((tmp_path / "run" / "lock").stat().st_mode) == 0o600


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        acquire_lock(tmp_path)
    assert not (tmp_path / "victim").exists()
