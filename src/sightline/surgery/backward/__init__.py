"""Derivatives of scores: to a layer, with what cannot matter left out."""
