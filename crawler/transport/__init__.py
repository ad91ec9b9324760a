"""The only room with a network client."""
