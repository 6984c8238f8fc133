"""The command: one small file per verb."""
