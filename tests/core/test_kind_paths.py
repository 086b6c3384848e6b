"""The paths of a kind are found once, and forgotten where there are more kinds than are worth keeping."""

from ipaddress import ip_address, ip_network

from hostlink.core import kind_paths
from hostlink.core.alike import place_of
from hostlink.core.kind_paths import KindPaths
from tests.core.test_alike import Reader, book, route

PLACE = place_of(ip_network("198.51.100.0/24"))


def test_kinds_that_lead_the_same_way_have_one_object():
    reader, kinds = Reader(), KindPaths(book()._translator, None, ())
    one, other = (reader.of(route(via=ip_address("192.0.2.254"), metric=metric)) for metric in (10, 20))
    paths = kinds.at(one, PLACE)
    assert paths is not None
    assert kinds.at(other, PLACE) is paths
    assert (kinds.ways, list(kinds.kinds), kinds.forgot) == ((paths,), [one, other], False)
    assert kinds.known([one, other]) == [paths, paths]


def test_of_too_many_some_are_forgotten(monkeypatch):
    monkeypatch.setattr(kind_paths, "_MOST_KINDS", 3)
    reader, kinds = Reader(), KindPaths(book()._translator, None, ())
    ones = [reader.of(route(via=ip_address(f"192.0.2.{number}"))) for number in range(1, 5)]
    found = [kinds.at(one, PLACE) for one in ones]
    assert (kinds.known(ones), list(kinds.kinds), kinds.ways) == ([None] * 3 + found[3:], ones[3:], tuple(found[3:]))
    assert kinds.forgot
    assert kinds.at(ones[0], PLACE) == found[0]
