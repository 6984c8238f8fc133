"""Pure numerics: rewards to gradients."""
