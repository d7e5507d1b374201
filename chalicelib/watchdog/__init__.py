"""The core's handlers: events and the sweep."""
