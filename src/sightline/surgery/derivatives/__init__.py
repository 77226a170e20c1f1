"""True second and third derivatives."""
