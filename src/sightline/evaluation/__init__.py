"""The sentence about many: how far explanations can be trusted, over a data set."""
