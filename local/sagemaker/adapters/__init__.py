"""The embedded AWS behind the ports."""
