"""An async crawler of the SoundCloud social graph that can be killed at any moment and knows what is missing."""
