"""Facts of the machine, and files that are written whole. Needs nothing else of the package."""
