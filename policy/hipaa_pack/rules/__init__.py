"""Rules by service."""
