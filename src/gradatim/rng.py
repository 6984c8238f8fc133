"""Named random streams: same names, same numbers, on every platform, in any order of use.

Python's and numpy's distributions promise no stable values between versions, so everything that
decides the content of a problem is drawn here, from `random.Random.getrandbits` alone.
"""

from _random import Random  # random.Random, less its layer of Python: whole-number seeds only
from collections.abc import Callable, MutableSequence, Sequence
from hashlib import blake2b
from typing import TypeVar

from gradatim.errors import ArgumentError

T = TypeVar("T")


def joined(names: Sequence[object]) -> bytes:
    """The bytes that are hashed for a tuple of names: each with its type, after its length.

    Of two tuples one after the other they are the bytes of the one and of the other, so what many
    names have in common at the front is joined once.

    >>> joined(("a", 1)) == joined(("a",)) + joined((1,))
    True
    """
    out = b""
    for name in names:
        part = f"{type(name).__name__}:{name}".encode()
        out += len(part).to_bytes(4, "big") + part
    return out


def digest(*names: object, size: int = 16) -> bytes:
    """Hash of a tuple of names; ("a", "bc") and ("ab", "c") differ, 1 and "1" do too.

    >>> digest("sat", 1).hex()[:8] == digest("sat", "1").hex()[:8]
    False
    """
    return blake2b(joined(names), digest_size=size).digest()


class Stream:
    """A stream of random choices that depends on its names only.

    >>> Stream(0, "lists", 3).below(1000) == Stream(0, "lists", 3).below(1000)
    True
    """

    __slots__ = ("_bits", "names")

    def __init__(self, *names: object) -> None:
        self.names = names
        self._bits = Random(int.from_bytes(digest(*names), "big")).getrandbits

    @classmethod
    def branch(cls, *names: object) -> Callable[..., "Stream"]:
        """A maker of streams: `branch(*names)(*more)` is `Stream(*names, *more)`, but sooner.

        >>> Stream.branch(0, "lists")(3).below(1000) == Stream(0, "lists", 3).below(1000)
        True
        """
        head = joined(names)

        def make(*more: object) -> "Stream":
            stream = cls.__new__(cls)
            stream.names = names + more
            hashed = blake2b(head + joined(more), digest_size=16).digest()
            stream._bits = Random(int.from_bytes(hashed, "big")).getrandbits
            return stream

        return make

    def child(self, *names: object) -> "Stream":
        """An independent stream, further down the tree of names."""
        return Stream(*self.names, *names)

    def below(self, n: int) -> int:
        """Uniform integer in [0, n)."""
        if n < 1:
            raise ArgumentError(f"`n` must be at least 1, got {n}")
        width = (n - 1).bit_length()
        if not width:
            return 0
        value = self._bits(width)
        while value >= n:
            value = self._bits(width)
        return value

    def draws(self, n: int, k: int) -> list[int]:
        """k uniform integers in [0, n), the same as k calls of `below`."""
        if n < 2:
            return [self.below(n) for _ in range(k)]
        bits, width, out = self._bits, (n - 1).bit_length(), []
        for _ in range(k):
            value = bits(width)
            while value >= n:
                value = bits(width)
            out.append(value)
        return out

    def between(self, low: int, high: int) -> int:
        """Uniform integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def uniform(self) -> float:
        """Uniform float in [0, 1) with 53 random bits."""
        return self._bits(53) / (1 << 53)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Shuffle in place (Fisher-Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def sample(self, options: Sequence[T], k: int) -> list[T]:
        """k different positions of `options`, in random order."""
        if not 0 <= k <= len(options):
            raise ArgumentError(f"`k` must lie in [0, {len(options)}], got {k}")
        taken: dict[int, int] = {}  # a partial shuffle that touches k positions only
        drawn = []
        for i in range(k):
            j = i + self.below(len(options) - i)
            drawn.append(options[taken.get(j, j)])
            taken[j] = taken.get(i, i)
        return drawn
