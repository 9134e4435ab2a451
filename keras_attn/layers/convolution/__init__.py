"""Gated convolutions and the blocks made of them."""
