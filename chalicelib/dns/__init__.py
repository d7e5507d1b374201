"""DNS: records, changes to them, and the decision about them."""
