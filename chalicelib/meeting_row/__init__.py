"""The meetings table: rows and the writes to them."""
