"""Commands of `passbook` that belong to no other module: a module each."""
