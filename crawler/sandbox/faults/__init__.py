"""The zoo: what the service was seen to do wrong, each by its name, around the routes of a dialect that does it right.

`table` says what there is and where it was seen, `plan` reads "NAME[:PROBABILITY][@FAMILY],...", `layer` puts the
chosen faults around a dialect. A fault does one or more of four things: it answers instead (`answers`, `credentials`),
asks for another page than the client did (`paging`), rewrites a page (`paging`, `rows`, `things`), or breaks its
delivery (`wires`). Every one is a pure function of the seed, its own name, what is asked for and how often, and, where
the table says so, the clock: the same seed makes the same bad day.
"""
