"""A local world that speaks the services' dialects."""
