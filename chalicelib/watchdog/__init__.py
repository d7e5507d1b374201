"""The core handlers: instance events and the sweep."""
