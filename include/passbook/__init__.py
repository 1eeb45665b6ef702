"""Passbook: the weekly customer-analytics platform of a retail or postal bank."""

__version__ = "0.1.0"
