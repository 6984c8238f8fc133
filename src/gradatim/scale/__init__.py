"""Pure numerics: attempts to one scale."""
