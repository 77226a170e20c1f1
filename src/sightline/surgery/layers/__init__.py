"""Which layers there are, and which of them to explain."""
