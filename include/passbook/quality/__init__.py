"""Rules that the work tables of a base date must keep, and what to do when they don't."""
