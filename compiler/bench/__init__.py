"""Timing a model in noema and in other runtimes, side by side: `noema bench`.

Each contender lives in a child process of its own (`child`), started once and idle between its
turns; the coordinator (`coordinator`) has them take turns in short bursts, so that changes of the
clock and of the machine's load meet all of them alike. Arrays cross in files, commands as lines of
JSON.
"""
