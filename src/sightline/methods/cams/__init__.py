"""Class activation maps: one method a file, each a rule for weighing activations."""
