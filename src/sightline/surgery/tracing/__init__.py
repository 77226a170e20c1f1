"""Models written down as graphs."""
