"""Pure numerics: where a model stands, and how surely."""
