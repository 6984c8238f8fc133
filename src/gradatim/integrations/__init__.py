"""Bridges to other packages: each is one file, needed by nothing else here."""
