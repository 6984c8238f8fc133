"""Pure numerics: where a model stands, and how surely.

Few attempts: `adaptive` and `replay` give tests, `tables` (with a `second_dimension`) and
`shortlist` find what tells most, `picking` shares it out, `stopping` ends it, `intervals` hold what
the model gets wrong. Against others: `comparison`, `pairs`, `power` (with `discordance` where few
differ), `regressions`; `ranking` with `ranking_fits` and `ranking_apart`, `aggregation`,
`consensus`.

Is the score real? Of items: `items`, `leakage`, `near_duplicates`, `blind`, `options`, `layout`.
Of repeats: `variance`, `signal`, `consistency`, `independence`, `holdout`, `leaderboard`. Of
verdicts: `verifier_error`, `verifier_agreement`, `verdict_trend` (by `verdict_chances`),
`selection`, `resampling`, `pools`, `better_checker`. Of confidences: `calibration`, `rescaling`,
`discrimination`, `selective`, `abstention`, `horizon`.

Over training: `curves`, `learning_curves`, `profiles`, `generalization`, `feedback`, `hint_gains`.
Of choices: `probing` for failures, `steering` of generators, `offline` estimates. `rank`
correlates.
"""
