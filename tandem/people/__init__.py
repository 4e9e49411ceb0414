"""Signing in: the throttle of failed tries, and how an installation gets its first administrator."""
