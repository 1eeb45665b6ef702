"""Credit: features, behaviour styles, default risk, the index and its reasons."""
