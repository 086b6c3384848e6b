"""Lines of keys: right for every way in which our configuration may be written."""

from __future__ import annotations

import pytest

from hostlink.toml_lines import key_lines, line_of

TEXT = """\
# a comment = 1
top = 1
[vpp]   # tail
  api_socket = "x"

[[uplink]]
match = { name = "a" }
[[uplink]]
match.mac = "b"
[ uplink.deeper ]
"quoted key" = 1
list = [
  "x",
]
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("top", 2),
        ("vpp", 3),
        ("vpp.api_socket", 4),
        ("uplink[0]", 6),
        ("uplink[0].match", 7),
        ("uplink[0].match.name", 7),
        ("uplink[0].driver", 6),
        ("uplink[1].match.mac", 9),
        ("uplink.deeper.quoted key", 11),
        ("uplink.deeper.list[0]", 12),
        ("cluster.pod_cidrs", None),
        ("", None),
    ],
)
def test_the_line_of_a_key_or_of_the_nearest_that_holds_it(key: str, line: int | None) -> None:
    assert line_of(key, key_lines(TEXT)) == line
