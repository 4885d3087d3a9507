"""Packets, sockets and pacing of pings and traces."""
