"""Recipes: the settings of a training run, as dataclasses and TOML files."""
