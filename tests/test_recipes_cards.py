"""What the cards promise of SEELE, CLPO and delta learning, on learners whose truth is known."""

import numpy as np
import pytest
from test_recipes_published import LEVEL, RATE, curriculum

from gradatim.choice import hints
from gradatim.types import ROLES

REWRITE = ROLES.index("rewrite")


def rate_at(level):
    """Pass rate of a problem of a level, as RATE."""
    return 1 / (1 + np.exp(0.9 * (np.asarray(level) - 4.0)))


def test_s018_most_hinted_problems_are_solved_about_half_of_the_time():
    """One round without a hint and two fitted ones, of eight: 60% end between .35 and .65."""
    rng, size = np.random.default_rng(0), 2000
    slope, centre = rng.uniform(6, 14, size), rng.uniform(0.2, 0.9, size)
    floor = rng.uniform(0, 0.1, size)
    h, k, n = (np.zeros((size, 0)) for _ in range(3))
    following = np.zeros(size)
    within = []
    for _ in range(3):
        rate = hints.rate(following, slope, centre, floor)
        within.append(np.mean(np.abs(rate - 0.5) <= 0.15))
        h = np.c_[h, following]
        k, n = np.c_[k, rng.binomial(8, rate)], np.c_[n, np.full(size, 8)]
        following = hints.next_hint(h, k.astype(int), n.astype(int))
    final = hints.rate(following, slope, centre, floor)
    assert np.mean(np.abs(final - 0.5) <= 0.15) > 0.6
    assert within[0] < 0.2
    assert within[0] < within[1] < within[2]


def test_s017_rewrites_of_what_was_hard_pass_more_often():
    cur, rng = curriculum("clpo"), np.random.default_rng(0)
    before, after, mixed = [], [], 0
    for _ in range(40):
        plan = cur.suggest(12, rollouts=96)
        while plan is not None:
            pairs = zip(plan.problem, plan.posed, strict=True)
            level = np.array([LEVEL[i] if p is None else p.level for i, p in pairs])
            hard = (plan.role == REWRITE) & (RATE[plan.problem] <= 0.3)
            before += RATE[plan.problem[hard]].tolist()
            after += rate_at(level[hard]).tolist()
            rate = np.repeat(rate_at(level), plan.n)
            right = (rng.random(len(rate)) < rate).astype(float)
            batch = cur.observe(plan, right, lengths=np.full(len(rate), 5))
            plan = cur.more(batch)
        roles = set(batch.role.tolist())  # one update mixes originals and rewrites
        mixed += roles == {ROLES.index("rollout"), REWRITE}
    assert len(before) > 50
    assert np.mean(after) > np.mean(before) + 0.05
    assert mixed > 30


def test_s079_pairs_of_two_weak_writers_raise_a_student_above_both():
    """Chosen replies no better than the student's own teach by their lead over worse ones."""
    torch = pytest.importorskip("torch")
    made = pytest.importorskip("token_batches")
    from gradatim.learning import objectives_contrast as contrast
    from gradatim.learning.objectives_parts import Scale

    quality = np.arange(10.0)  # ten replies, each better than the last

    def writer(bent):
        weight = np.exp(bent * quality)
        return weight / weight.sum()

    def taught(chosen, rejected):
        """Mean quality of a student that begins as the weak writer, after DPO on 400 pairs."""
        rng = np.random.default_rng(0)
        pairs = np.c_[rng.choice(10, 400, p=chosen), rng.choice(10, 400, p=rejected)].ravel()
        bent = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        start = (bent.detach() * torch.from_numpy(quality)).log_softmax(0)
        group = np.arange(800) // 2
        for _ in range(60):
            logp = (bent * torch.from_numpy(quality)).log_softmax(0)[pairs]
            part = made.tokens(
                logp, reference=start[pairs], group=group, solved=np.arange(800) % 2 == 0
            )
            loss, _ = contrast.dpo(part, torch.zeros(800), Scale(800, 800, 1, groups=400), beta=1.0)
            (slope,) = torch.autograd.grad(loss, bent)
            with torch.no_grad():
                bent -= 0.05 * slope
        return float(writer(bent.item()) @ quality)

    weak, weaker = writer(0.0), writer(-0.3)
    student = taught(weak, weaker)
    assert student > weak @ quality + 1 > weaker @ quality + 1
    assert taught(weak, weak) == pytest.approx(weak @ quality, abs=0.5)  # no gap, no lesson
