"""Fault and fuzz tests: hostile input, kills, full disks and damaged files, with a count of all.

`make faults` runs them and writes the table of docs/reliability.md; tests/faults runs a few of each
class. Every try is seeded. A try is right, a clean error (one printable line), a traceback, wrong
without an error, a hang, or it has lost something; the last four must be zero.
"""
