"""The shells: imported by nobody."""
