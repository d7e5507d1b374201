"""What runs in Lambda: a module a noun of the field."""
