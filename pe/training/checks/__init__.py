"""What is looked at before a step is made: rows against this version of `pe`, the first batch, the memory it takes."""
