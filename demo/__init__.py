"""A made-up portfolio to try the app with: `make demo`."""
