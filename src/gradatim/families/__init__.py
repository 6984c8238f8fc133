"""Problems with a difficulty dial, one family a file; `registry` has them by name.

What all share: `generation`, `knobs`, `verify`; problems from elsewhere and back: `read`,
`rows`, `sources`, `exchange`; `gate` and `stock` test a family,
`templates` those of third parties; `mixtures`, `splits` and `held_out` put sets together.

Helpers of one kind: `numbers`, `steps`, `dotted`, `formatted` of arithmetic and lists; `lists_*`,
`sequences_*` of these; `moves`, `stacks`, `hanoi_positions` of puzzles with moves; `sat_solver`,
`graph_coloring_counts`, `logic_grid_bits`, `sudoku_grids`, `sudoku_techniques` of constraints;
`horizon_measures` of long execution. Modes with a file of their own: `lists_modes`, `sat_modes`;
arithmetic's are `bases`, `divisors`, `expressions`, `fraction_sums`, `modular`, `polynomials`.
Twins that may have no answer: `twins` and `twins_*`.
"""
