"""Recurrent layers and their one loop."""
