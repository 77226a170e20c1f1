"""Data sets in: records with what is known about them, and boxes that follow the picture into the model's view."""
