"""Tables, figures and one self-contained page.

Pages: `report` of a run or bank, from what `read` finds; `comparison`, `study_report` (with
`study_profile`). Sections of the report: `attempts`, `measurement`, `precision`, `misfit`,
`verdict`, `watching`. Figures: `figures` of a run, `scale_figures`, `study_figures`, `evaluation`,
`confidence`, `ranking`, `charts` of any subject. `plain_names` tells solvers apart in a terminal.

All are built from `svg` (text made safe), `marks` in `axes`, `tables`, and one `page`.
"""
