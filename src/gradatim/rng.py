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

_SIZES = [size.to_bytes(4, "big") for size in range(1024)]  # of most names


def _any(canonical: str) -> bool:
    return True


def joined(names: Sequence[object]) -> bytes:
    """The bytes that are hashed for a tuple of names: each with its type, after its length.

    Of two tuples one after the other they are the bytes of the one and of the other, so what many
    names have in common at the front is joined once.

    >>> joined(("a", 1)) == joined(("a",)) + joined((1,))
    True
    """
    parts = []
    for name in names:
        kind = type(name)
        if kind is str:  # what most names are, without a format
            part = b"str:" + name.encode()  # type: ignore[attr-defined]
        elif kind is int:
            part = b"int:%d" % name
        else:
            part = f"{kind.__name__}:{name}".encode()
        size = len(part)
        parts.append(_SIZES[size] if size < len(_SIZES) else size.to_bytes(4, "big"))
        parts.append(part)
    return b"".join(parts)


def digest(*names: object, size: int = 16) -> bytes:
    """Hash of a tuple of names; ("a", "bc") and ("ab", "c") differ, 1 and "1" do too.

    >>> digest("sat", 1).hex()[:8] == digest("sat", "1").hex()[:8]
    False
    """
    return blake2b(joined(names), digest_size=size).digest()


class Stream:
    """A stream of random choices that depends on its names only.

    Attributes:
        wants: canonical form -> whether an instance of that form will be kept. A family that knows
            the form long before the rest may ask, and where the answer is no return a draft with
            that form and nothing else: it is drawn again. No instance that is kept depends on it.

    >>> Stream(0, "lists", 3).below(1000) == Stream(0, "lists", 3).below(1000)
    True
    """

    __slots__ = ("_bits", "names", "wants")

    def __init__(self, *names: object) -> None:
        self.names = names
        self.wants: Callable[[str], bool] = _any
        self._bits = Random(int.from_bytes(digest(*names), "big")).getrandbits

    @classmethod
    def branch(cls, *names: object, wants: Callable[[str], bool] = _any) -> Callable[..., "Stream"]:
        """A maker of streams: `branch(*names)(*more)` is `Stream(*names, *more)`, but sooner.

        >>> Stream.branch(0, "lists")(3).below(1000) == Stream(0, "lists", 3).below(1000)
        True
        """
        head = blake2b(joined(names), digest_size=16)
        new, read = cls.__new__, int.from_bytes

        def make(*more: object) -> "Stream":
            stream = new(cls)
            stream.names = names + more
            stream.wants = wants
            hashed = head.copy()
            hashed.update(joined(more))
            stream._bits = Random(read(hashed.digest(), "big")).getrandbits
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
        n = high - low + 1
        if n < 2:
            return low + self.below(n)
        width = (n - 1).bit_length()
        value = self._bits(width)
        while value >= n:
            value = self._bits(width)
        return low + value

    def uniform(self) -> float:
        """Uniform float in [0, 1) with 53 random bits."""
        return self._bits(53) / (1 << 53)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Shuffle in place (Fisher-Yates)."""
        bits = self._bits
        for i in range(len(items) - 1, 0, -1):
            width = i.bit_length()
            j = bits(width)
            while j > i:
                j = bits(width)
            items[i], items[j] = items[j], items[i]

    def sample(self, options: Sequence[T], k: int) -> list[T]:
        """k different positions of `options`, in random order."""
        size = len(options)
        if not 0 <= k <= size:
            raise ArgumentError(f"`k` must lie in [0, {size}], got {k}")
        bits = self._bits
        taken: dict[int, int] = {}  # a partial shuffle that touches k positions only
        drawn = []
        for i in range(k):
            last = size - i - 1
            width = last.bit_length()
            j = bits(width)
            while j > last:
                j = bits(width)
            j += i
            drawn.append(options[taken.get(j, j)])
            taken[j] = taken.get(i, i)
        return drawn
