"""What was found out of a model, remembered in the process and on disk for as long as it holds."""
