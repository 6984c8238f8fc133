"""Named training methods, and the Curriculum that runs them inside any trainer."""
