"""The demo bank, and other data sets loaded as a bank's tables."""
