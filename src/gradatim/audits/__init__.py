"""Can it be believed? Families, verifiers and scores, looked at for what is wrong with them.

`audit` is the verb: of a family or a verifier it counts what passes that should not, with `probes`
for each checker; results and attempts go to `scores`, which reads a `subject` once (its `columns`,
its `questions`, a run's `replies`, what a bank has `known` of it) and asks section after section,
one file each, for a finding: of items `items`, `texts`, `prompts`; of solvers `leaks`, `rows`,
`abstention`, `steps`, `transfer`, `confidence`; of verdicts `verdicts` (`stopping` says what to do
about them), `trend`; of repeats `variance`, `independence`, for which `variants` cuts seeds,
checkpoints and layouts out of a file. `shortfall` says why a column that is there was of no use.
"""
