"""The coroutines that join the rooms."""
