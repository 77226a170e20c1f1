"""The model run again: all of it, or what lies behind a layer."""
