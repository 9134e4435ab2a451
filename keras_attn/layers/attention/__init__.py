"""Attention layers: the dense one, its variants, caches and masks."""
