"""A model that explains itself: compiled, exported, written as ONNX."""
