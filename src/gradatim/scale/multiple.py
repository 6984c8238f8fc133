"""Many tests at once: p-values that may be read as if there were one. Axes: `test`."""

import numpy as np

from gradatim import checks

METHODS = ("holm", "fdr", "none")


def adjust(p: np.ndarray, *, method: str = "holm") -> np.ndarray:
    """Adjusted p-values: reject where they are at most alpha.

    Args:
        p: (test,) float in [0, 1]; NaN for a test that could not be made, which counts as none.
        method: "holm" (at most alpha for any false rejection, whatever the dependence), "fdr"
            (expected share of false ones among those rejected, independent or positively dependent
            tests) or "none".

    Returns:
        (test,) float, p <= result <= 1, in the order of p.

    Raises:
        ArgumentError: an unknown method, p outside [0, 1].

    Ref: Holm 1979, Scandinavian Journal of Statistics 6:65; Benjamini & Hochberg 1995, Journal of
    the Royal Statistical Society B 57:289.

    >>> adjust(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    checks.one_of("method", method, METHODS)
    p = np.asarray(p, dtype=float)
    known = np.flatnonzero(~np.isnan(p))
    checks.within(0, 1, p=p[known])
    found = p.copy()
    if method == "none" or not len(known):
        return found
    order = known[np.argsort(p[known], kind="stable")]
    n = len(order)
    if method == "holm":
        raised = np.maximum.accumulate(p[order] * (n - np.arange(n)))
    else:
        raised = np.minimum.accumulate((p[order] * n / np.arange(1, n + 1))[::-1])[::-1]
    found[order] = np.minimum(raised, 1.0)
    return found
