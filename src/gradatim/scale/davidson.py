"""The log-likelihood of Davidson's model of games with ties, and its derivatives.

P(i wins) : P(tie) : P(j wins) = e^(d/2) : nu : e^(-d/2) with d = theta_i - theta_j.
Axes: `pair` (ordered: winner, loser), `player`; the last parameter is log nu.
"""

import numpy as np
from scipy.sparse import eye_array

from gradatim.scale.concave import Concave, Curvature, laplacian


def likelihood(
    winner: np.ndarray, loser: np.ndarray, weight: np.ndarray, *, ties: float, alpha: float
) -> Concave:
    """Log-likelihood of strengths and log nu.

    Args:
        winner, loser: (pair,) int players 0 .. n-1.
        weight: (pair,) games won, a tie counting half for each of both orders of the pair.
        ties: number of ties.
        alpha: precision of the prior on strengths.

    Ref: Davidson 1970, JASA 65:317.
    """
    n = int(max(winner.max(), loser.max())) + 1

    def shares(x: np.ndarray) -> tuple[np.ndarray, ...]:
        half = (x[winner] - x[loser]) / 2
        top = np.maximum(np.abs(half), x[n])
        parts = np.exp(np.stack([half, -half, np.full(len(half), x[n])]) - top)
        total = parts.sum(axis=0)
        return half, top + np.log(total), *(parts / total)

    def value(x: np.ndarray) -> float:
        half, log_total, *_ = shares(x)
        prior = alpha / 2 * float(x[:n] @ x[:n])
        return float(weight @ (half - log_total)) + ties * float(x[n]) - prior

    def at(x: np.ndarray) -> Curvature:
        _, _, up, down, tie = shares(x)
        slope = weight * (1 - (up - down)) / 2
        bend = weight * (up + down - (up - down) ** 2) / 4
        cross = -weight * (up - down) * tie / 2
        last = float(weight @ (tie * (1 - tie)))

        def spread(values: np.ndarray) -> np.ndarray:
            """Sum of signed pair values at each player."""
            lost = np.bincount(loser, weights=values, minlength=n)
            return np.bincount(winner, weights=values, minlength=n) - lost

        border = spread(cross)
        gradient = np.r_[spread(slope) - alpha * x[:n], ties - float(weight @ tie)]
        games = laplacian(winner, loser, bend, n) + alpha * eye_array(n, format="csr")

        def times(v: np.ndarray) -> np.ndarray:
            along = games @ v[:n] + border[:, None] * v[n]
            return np.concatenate([along, (border @ v[:n] + last * v[n])[None]])

        def dense() -> np.ndarray:
            return np.block([[games.toarray(), border[:, None]], [border, np.array([[last]])]])

        return Curvature(gradient, np.r_[games.diagonal(), last], times, dense)

    return Concave(value, at)
