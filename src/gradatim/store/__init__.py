"""Run folders and the ledger: what is acknowledged is never lost."""
