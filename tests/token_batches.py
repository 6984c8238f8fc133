"""Batches of reply tokens for the tests of objectives."""

import torch

from gradatim.learning.objectives_parts import Scale, Tokens


def tokens(logp, old=None, *, lengths=None, **columns):
    """Tokens from lists or tensors; without lengths, one row for each token."""
    logp = torch.as_tensor(logp)
    size = torch.as_tensor([1] * len(logp) if lengths is None else lengths)
    row = torch.repeat_interleave(torch.arange(len(size)), size)
    columns = {k: v if v is None else torch.as_tensor(v) for k, v in columns.items()}
    return Tokens(logp, None if old is None else torch.as_tensor(old), row, size, **columns)


def batch(seed, rows=12, *, groups=3, dtype=torch.float64, off_policy=True, solved=None):
    """Ragged replies with every column filled, and their advantages (a third of them 0)."""
    make = torch.Generator().manual_seed(seed)

    def draw(n, size=1.0):
        return (size * torch.randn(n, generator=make, dtype=torch.float64)).to(dtype)

    lengths = torch.randint(1, 7, (rows,), generator=make)
    total = int(lengths.sum())
    logp = -draw(total).abs()
    group = torch.randint(0, groups, (rows,), generator=make)
    right = torch.rand(rows, generator=make) < 0.5
    advantage = draw(rows) * (torch.rand(rows, generator=make) < 0.67)
    made = tokens(
        logp.requires_grad_(),
        (logp.detach() + draw(total, 0.3)) if off_policy else None,
        lengths=lengths,
        reference=logp.detach() + draw(total, 0.5),
        entropy=draw(total).abs(),
        group=group,
        solved=right if solved is None else torch.full((rows,), solved),
        foreign=torch.rand(rows, generator=make) < 0.2,
    )
    return made, advantage, scale(made)


def scale(part, longest=8):
    """What the mean of a whole batch runs over."""
    foreign = 0 if part.foreign is None else int(part.lengths[part.foreign].sum())
    groups = 0 if part.group is None else len(part.group.unique())
    return Scale(len(part.lengths), len(part.row), longest, groups, foreign)


def chosen(part, rows):
    """Some rows of a batch, in the order given."""
    rows = torch.as_tensor(rows, dtype=torch.int64)
    begin = part.lengths.cumsum(0) - part.lengths
    at = [torch.arange(int(part.lengths[i])) + begin[i] for i in rows]
    at = torch.cat(at) if at else torch.zeros(0, dtype=torch.int64)
    lengths = part.lengths[rows]
    by_row = ("group", "solved", "foreign", "weight", "kl_scale")
    by_token = ("logp", "old", "reference", "entropy")
    fields = {k: getattr(part, k) for k in (*by_row, *by_token)}
    picked = {k: v if v is None else v[rows] if k in by_row else v[at] for k, v in fields.items()}
    row = torch.repeat_interleave(torch.arange(len(rows)), lengths)
    return Tokens(row=row, lengths=lengths, **picked)


def gradient(loss, part):
    """(token,) gradient of a loss by logp."""
    (found,) = torch.autograd.grad(loss, part.logp, retain_graph=True)
    return found
