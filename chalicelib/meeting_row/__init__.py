"""The meetings table: rows, and what is written into them."""
