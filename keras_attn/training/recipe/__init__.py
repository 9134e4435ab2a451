"""Recipes: what a training is made of, as dataclasses and TOML files."""
