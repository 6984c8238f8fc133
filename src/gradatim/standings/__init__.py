"""Where a solver stands: tests of one with few attempts, comparisons of several.

`evaluate` is a test on a bank: live (`evaluate_live`, which starts as `evaluate_start` says, asks
in `evaluate_course`, and reads what lies `evaluate_behind` the bank), or replayed on recorded
results (`evaluate_replay`, models held out by `evaluate_folds`, told by `evaluate_figures`). Both
widen their intervals by `evaluate_misfit`.

`compare` pairs solvers on the problems they share: who, from which `compare_sources`, in which
`compare_pairs`, by which `compare_groups`; `compare_rows` says what each pair showed, a
`compare_plan` what more would, a `compare_ranking` who comes first. `columns` has what is known of
items beside their results, for both.
"""
