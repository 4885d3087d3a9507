"""Random worlds as recorded evidence: what a scan would have measured, and what is true of it.

No packet is sent. Round-trip times obey physics, with one exception that reality has too: a vantage may lie
about its place. Databases, paths and providers are as bad as real ones. A world is a function of its seed,
its country and its size, and of the cities and borders that are shipped; not of the machine, nor of the
version of any library.
"""
