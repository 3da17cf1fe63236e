"""Mixes: annotated samples of several sources into the rows that a model is trained on."""
