"""One module a stage: read, call pure code, write."""
