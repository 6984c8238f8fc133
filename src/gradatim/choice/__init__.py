"""Pure numerics: what to try next, and how often.

Rows of a plan: `plans`. Which problems: `samplers`, `bandits` (sources), `risk` (features),
`matched` (ability), `curricula` (order), `levels` (shares); by a crowd, `crowd`. Which knobs:
`archive`, over `settings`. How many attempts: `budgets` with `greedy`, in rounds `phases` and
`until`. How much help: `hints`. Whom to ask and what to buy: `routing`, `verdicts`,
`exploration`. What another sampler would have been worth: `logged`; what recorded attempts are
worth: `worth`.
"""
