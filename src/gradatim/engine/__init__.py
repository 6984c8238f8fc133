"""The verbs: problems, solvers and recipes brought together in a run.

From problems to a scale: `attempt` (`opening` of a solver, `intake` of what it answers), `grade`,
`aim` (`aim_trials`, `aim_check`), `feedback`; `calibrate`, `link`; `sources` reads whatever can be
measured, `rate` what can be compared (`games`), `tally` counts. What next: `choose`, `select`.

Training: `train` runs recipes by `loop` (`loop_optimiser`), its `steps` and `rollouts`, and `rows`
to the ledger; `lessons` and `tools` imitate, `watching` logs, `replay` learns again from what was
recorded.

Which recipe helps: `study` and `study_*` run `cells` of `arms` (`arms_tiny`); `contrasts` and
`verdict` say what they showed.

Of the machine: `doctor` and `doctor_*`. `demo` shows the whole loop, `demo_llm` with a real model.
"""
