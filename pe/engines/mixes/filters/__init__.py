"""Filters of rows: which questions go into a mix. One file a filter; `pe.registry` finds them (kind "row_filters")."""
