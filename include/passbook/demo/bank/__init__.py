"""The demo bank: simulated customers, products and money, with planted truths."""
