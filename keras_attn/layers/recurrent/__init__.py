"""Recurrent layers and the loop that they share."""
