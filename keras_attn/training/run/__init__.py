"""A run on the disk: its directory, checkpoints, history and result."""
