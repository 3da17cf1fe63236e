"""What a sample is: typed records and their wire form."""
