"""Run folders and the ledger: what is acknowledged is never lost.

The ledger: `ledger`, `schema`, `rows`, `reading`, `counting`, `segments`, `lock`, `links`; a run:
`run`, `config`, `banks`. Files of others: `logs` tells which kind one is and `logs_*` read each,
`tables` and `names` long tables, `sums` adds up attempts, `formats` matrices, `comparisons` games.
"""
