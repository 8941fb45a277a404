"""Monitoring: is everything well, and is every image that was acknowledged accounted for?"""
