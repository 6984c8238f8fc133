"""Symmetric k x k matrices, one per item, kept as the rows of their upper triangle.

k = 2: rows 00, 01, 11; k = 3: 00, 01, 02, 11, 12, 22; and so on. Axes: `pair` (a row of the
triangle), `param` (0 log a, 1 b, 2 guess, 3 slip), `item` (or any other last axis).
"""

from itertools import combinations_with_replacement

import numpy as np

SHARED = ("1pl", "rasch")  # models whose log a is one number, or known


def pairs(k: int) -> list[tuple[int, int]]:
    """Row and column of each entry.

    >>> pairs(2)
    [(0, 0), (0, 1), (1, 1)]
    """
    return list(combinations_with_replacement(range(k), 2))


def diagonal(k: int) -> list[int]:
    """Places of the k diagonal entries among the pairs.

    >>> diagonal(3)
    [0, 3, 5]
    """
    return [place for place, (row, column) in enumerate(pairs(k)) if row == column]


def outer(x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """(pair, ...) products x_r y_s of (param, ...) vectors; y is x unless given."""
    y = x if y is None else y
    return np.stack([x[row] * y[column] for row, column in pairs(len(x))])


def quadratic(blocks: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(...,) x' B x.

    >>> quadratic(np.array([2.0, 1.0, 3.0]), np.array([1.0, 10.0]))
    np.float64(322.0)
    """
    total = np.zeros(np.broadcast_shapes(blocks.shape[1:], x.shape[1:]))
    for block, (row, column) in zip(blocks, pairs(len(x)), strict=True):
        total += (block if row == column else 2 * block) * x[row] * x[column]
    return total[()]


def matrices(blocks: np.ndarray) -> np.ndarray:
    """(item, k, k) whole matrices of (pair, item) blocks."""
    k = int(np.sqrt(2 * len(blocks)))
    full = np.empty((blocks.shape[1], k, k))
    for place, (row, column) in enumerate(pairs(k)):
        full[:, row, column] = full[:, column, row] = blocks[place]
    return full


def solve(blocks: np.ndarray, rhs: np.ndarray, model: str) -> np.ndarray:
    """Solve the block-diagonal system of a model.

    Args:
        blocks: (pair, item).
        rhs: (param, item, ...) right-hand sides.
        model: "1pl" where all items share log a; "rasch" where log a is known; else no tie.

    Returns:
        (param, item, ...) solution; for "1pl" the shared entry is repeated, for "rasch" zero.
    """
    if len(rhs) > 2:
        full, scale = _scaled(blocks)
        flat = np.moveaxis(rhs.reshape(*rhs.shape[:2], -1), 0, 1) * scale[..., None]
        found = np.linalg.solve(full, flat) * scale[..., None]
        return np.moveaxis(found, 1, 0).reshape(rhs.shape)
    pad = (...,) + (None,) * (rhs.ndim - 2)
    aa, ab, bb = (row[pad] for row in blocks)
    if model == "rasch":
        return np.stack([np.zeros_like(rhs[0]), rhs[1] / bb])
    if model == "1pl":
        lead = rhs[0].sum(axis=0) - np.sum(ab / bb * rhs[1], axis=0)
        shared = lead / (blocks[0].sum() - np.sum(blocks[1] ** 2 / blocks[2]))
        return np.stack([np.broadcast_to(shared, rhs[0].shape), (rhs[1] - ab * shared) / bb])
    det = aa * bb - ab * ab
    return np.stack([(bb * rhs[0] - ab * rhs[1]) / det, (aa * rhs[1] - ab * rhs[0]) / det])


def inverse_blocks(blocks: np.ndarray, model: str) -> np.ndarray:
    """(pair, item) the items' own blocks of the inverse of the block-diagonal system."""
    if len(blocks) > 3:
        full, scale = _scaled(blocks)
        inverse = np.linalg.inv(full) * scale[:, :, None] * scale[:, None, :]
        return np.stack([inverse[:, row, column] for row, column in pairs(scale.shape[1])])
    aa, ab, bb = blocks
    if model == "rasch":
        return np.stack([np.zeros_like(bb), np.zeros_like(bb), 1 / bb])
    if model == "1pl":
        s = 1 / (aa.sum() - np.sum(ab**2 / bb))
        return np.stack([np.full_like(bb, s), -s * ab / bb, 1 / bb + s * (ab / bb) ** 2])
    det = aa * bb - ab * ab
    return np.stack([bb / det, -ab / det, aa / det])


def _scaled(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrices with a diagonal of 1 (and a grain more: singular ones stay solvable), and scale."""
    full = matrices(blocks)
    scale = 1 / np.sqrt(np.maximum(np.abs(np.einsum("ikk->ik", full)), 1e-30))
    full = full * scale[:, :, None] * scale[:, None, :]
    return full + 1e-9 * np.eye(full.shape[1]), scale
