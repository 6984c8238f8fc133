"""Pure numerics: what to try next, and how often."""
