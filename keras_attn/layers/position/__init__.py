"""Positions: added to the embeddings, or acting inside attention."""
