"""A local world that speaks SoundCloud's official API dialect over HTTP: for tests, for trials, for simulation.

`world` is the small interface behind which a world lives; `folder` reads one from edge lists, `synthetic` computes one.
`objects` turns ids into JSON, `official` turns requests into replies, `wire` puts replies on a socket, `serve` runs it.
"""
