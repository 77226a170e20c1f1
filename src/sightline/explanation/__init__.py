"""The sentence: a model and pictures in, an explanation out."""
