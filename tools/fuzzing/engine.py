"""Who throws: mutated inputs, each from (target, seed, number) alone, so that any of them can be made again.

A target takes bytes and returns; what it raises is a finding, for what is allowed it catches itself. An input that
takes more than HANG_CPU_S is one too. Findings of one place (exception, innermost line of hostlink's) count once.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

HANG_CPU_S = 10.0
"""Of the processor, for an input that takes milliseconds of it, however busy the machine is."""
_ROOT = str(Path(__file__).parents[2])
_EDGES = (
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    16,
    127,
    128,
    255,
    256,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)
_LONGEST_BYTES = 1 << 16


class Hang(BaseException):
    """One input took too long. No Exception: nobody between is to take it for one of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """`check` takes one input. `make` makes one, of a random source that is its own."""

    name: str
    check: Callable[[bytes], None]
    make: Callable[[Random], bytes]


@dataclass(frozen=True, slots=True)
class Finding:
    """`number`: of the input, with the seed; `place`: where it ended, which tells findings apart."""

    target: str
    seed: int
    number: int
    data: bytes
    place: str
    trace: str

    def __str__(self) -> str:
        again = f"tools/fuzz --input {self.target} {self.data.hex()}"
        return f"{self.target}, seed {self.seed}, input {self.number}: {self.place}\n{self.trace}\nagain by: {again}"


def inputs(target: Target, seed: int, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """(number, input) of each."""
    for number in numbers:
        yield number, target.make(Random(f"{target.name}:{seed}:{number}"))


def findings(target: Target, seed: int, numbers: Iterable[int]) -> Iterator[Finding]:
    """What these inputs find."""
    for number, data in inputs(target, seed, numbers):
        found = try_one(target, data)
        if found is not None:
            yield Finding(target.name, seed, number, data, *found)


def try_one(target: Target, data: bytes, limit_s: float = HANG_CPU_S) -> tuple[str, str] | None:
    """(place, traceback) where the input is a finding. limit_s: of the processor."""
    try:
        with _within(limit_s):
            target.check(data)
    except (Exception, Hang) as error:  # noqa: BLE001 — what comes out is what is looked for
        leaf = _first_leaf(error)
        return _place(leaf), "".join(traceback.format_exception(leaf))
    return None


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_ROOT)]
    where = f"{frames[-1].filename.removeprefix(_ROOT + '/')}:{frames[-1].lineno}" if frames else "nowhere"
    return f"{type(error).__name__} at {where}"


@contextmanager
def _within(limit_s: float) -> Iterator[None]:
    signal.signal(signal.SIGPROF, _ring)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise Hang("took too much of the processor")


# ------------------------------------------------------------------------------------------------------------- mutation


def mutated(seeds: Callable[[], Sequence[bytes]]) -> Callable[[Random], bytes]:
    """Makes inputs of seeds that are in order, by one to eight small changes."""

    def make(random: Random) -> bytes:
        known = seeds()
        data = bytearray(random.choice(known))
        for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
            random.choice(_CHANGES)(random, data, known)
        return bytes(data[:_LONGEST_BYTES])

    return make


Change = Callable[[Random, bytearray, Sequence[bytes]], None]


def _at(random: Random, data: bytearray) -> int:
    return random.randrange(len(data) + 1)


def _flip(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _byte(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def _number(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    """A length, an index or a count at the edge of something, in either order of bytes."""
    size = random.choice((1, 2, 4))
    at = min(_at(random, data) & ~1, max(0, len(data) - size))
    order = random.choice(("little", "big"))
    data[at : at + size] = (random.choice(_EDGES) & ((1 << 8 * size) - 1)).to_bytes(size, order)  # type: ignore[arg-type]


def _cut_off(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_at(random, data) :]


def _take_out(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _at(random, data)
    del data[at : at + random.choice((1, 2, 4, 8, 16))]


def _put_in(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _at(random, data)
    data[at:at] = random.randbytes(random.choice((1, 2, 4, 8, 16)))


def _repeat(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _at(random, data)
    piece = data[at : at + random.randrange(1, 64)]
    data[at:at] = piece * random.choice((1, 2, 50))


def _splice(random: Random, data: bytearray, known: Sequence[bytes]) -> None:
    """The rest of another one behind the first part of this."""
    other = random.choice(known)
    data[_at(random, data) :] = other[random.randrange(len(other) + 1) :]


_CHANGES: tuple[Change, ...] = (_flip, _byte, _number, _number, _cut_off, _take_out, _put_in, _repeat, _splice)
