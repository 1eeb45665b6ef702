"""Which products to offer next: learnt from purchases, compared on time."""
