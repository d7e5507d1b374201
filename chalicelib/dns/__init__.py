"""DNS: records, changes and the plan."""
