"""The steps of a takeover: what the daemon does when the machine says so, one file each.

A step looks, acts, reads back, and returns one event; what it cannot do it raises as a typed error, which the daemon
turns into `StepFailed`. It decides only what is a matter of its own order; where the takeover goes from there is the
machine's. Every step can be begun again from any point at which an earlier one was cut off: it looks at what is there
first.
"""
