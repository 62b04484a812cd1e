"""Where weights come from, and how they come: one module a scheme, one download for all of them."""
