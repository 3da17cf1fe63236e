"""Recipes: the sections of one file, from data to a table, checked and run one after the other."""
