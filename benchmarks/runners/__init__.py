"""One file for each peer: its public interface, asked for one job after the other.

They run in an environment of the peer's own, which has nothing of ours: they import the
peer, the standard library and each other.
"""
