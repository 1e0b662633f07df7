"""Evaluation: the threat model, the rows of results, and what they say together."""
