import pytest

from hostlink.vpp.quirks import may_answer_in_tables


@pytest.mark.parametrize(
    ("version", "may"),
    [
        ("25.10-release", False),
        ("24.02.1-rc0~12-gabc", False),
        ("v25.06", False),
        ("26.02-rc1", True),
        ("26.02-release", True),
        ("26.06-standin", True),
        ("100.02", True),
        ("", False),
        ("a build of ours", False),
        (None, False),
    ],
)
def test_only_releases_that_are_known_to_live_are_asked(version: str | None, may: bool) -> None:
    assert may_answer_in_tables(version) is may
