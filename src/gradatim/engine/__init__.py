"""The verbs: problems, solvers and recipes brought together in a run."""
