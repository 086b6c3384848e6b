"""What of pyroute2 the daemon has in memory, and that it is nobody else's concern."""

import subprocess
import sys


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_daemon_has_the_parser_and_nothing_else_of_it():
    loaded = run("import sys, hostlink.daemon; print(*sys.modules)")
    assert "hostlink.kernel.pyroute2_parser" in loaded
    assert {"sqlite3", "unittest", "unittest.mock", "rich", "shtab"}.isdisjoint(loaded)
    assert not [name for name in loaded if name.split(".")[0] == "pyroute2"]


def test_others_in_the_process_get_all_of_it_before_and_after():
    script = """
import {first}, {second}
import pyroute2.netlink.rtnl.marshal as theirs
from hostlink.kernel.pyroute2_parser import MarshalRtnl
print(pyroute2.IPRoute.__name__, pyroute2.netlink.rtnl.marshal is theirs, MarshalRtnl is theirs.MarshalRtnl)
"""
    for order in (("pyroute2", "hostlink.kernel.parse"), ("hostlink.kernel.parse", "pyroute2")):
        assert run(script.format(first=order[0], second=order[1])) == ["IPRoute", "True", "False"]
