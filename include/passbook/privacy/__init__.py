"""Privacy: pseudonyms instead of customer numbers, sealed values instead of plain ones."""
