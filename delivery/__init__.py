"""Sending and fetching images through the API, from the command line."""
