"""Filters: which pictures and which instances go on. One file a filter; off unless named."""
