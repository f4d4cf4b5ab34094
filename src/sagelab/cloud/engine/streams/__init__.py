"""Data streams: shards of records in order, and what reads them."""
