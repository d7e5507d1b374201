"""What Elephant costs in round trips, calls, time and memory, beside others: `make bench`."""
