"""Facts about the machine, and files that are written whole. Imports no other subpackage."""
