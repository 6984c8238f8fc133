"""Pure numerics: rewards to gradients.

Advantages (numpy): `advantages` has the baselines of a group, `advantages_signed` those that
treat right and wrong differently, `advantages_shaped` those with a second measurement,
`advantages_believed` those with the belief as baseline, `refinements` replies written with help;
per token `credit`, `credit_states`, `advantages_critic`, `advantages_rank`. `gates` drops groups
or replaces them, `novelty` rewards the rare; `markers` and `tools` say what to imitate,
`evaluators` judge attempts after having seen easy ones. Objectives (torch): `objectives_parts`
has the four parts that `objectives` and `objectives_*` are made of. What to watch: `monitors`,
`monitors_reach`.
"""
