"""One thin file per outside library."""
