"""`hostlink preflight`: what stands against a takeover, and what would go wrong after it, before anything is touched.

`checks` asks what the daemon asks in Detecting (steps/inspect.py), and of VPP what it asks of each one that answers.
The other modules say who manages the NIC and whether they would manage the host's interface as well: pure functions
over the texts of their files, which `files` finds. They follow each manager's own manual and say where they guess.
"""
