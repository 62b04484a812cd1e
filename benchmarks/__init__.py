"""How fast jubako is, measured against what it adds itself to."""
