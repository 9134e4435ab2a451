"""Positions: added to the embeddings, or acting inside of attention."""
