"""The ways through a model: to a layer, to the pixels, to every bias, and from outside."""
