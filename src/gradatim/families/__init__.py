"""Problems with a difficulty dial, one family a file; `registry` has them by name.

What they share: `generation`, `knobs`, `read`, `verify`; the gate (`gate`, `stock`) and templates
of third parties (`templates`); `mixtures`, `splits`, and `twins` that may have no answer. Helpers
of one kind: `numbers` and `steps` (arithmetic), `moves` and `stacks` (puzzles), `lists_*`,
`sequences_*`, `sudoku_grids`.
"""
