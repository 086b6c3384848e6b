"""The generator behind tools/gen-states: reads states/uplink.toml, refuses what is incomplete, renders what is made.

    spec    the file as values, names still unchecked       faults   what is wrong with it, every fault at once
    module  the two typed modules                           page     states/README.md
    main    the command

It imports nothing of hostlink: the package cannot be imported before its made modules are there.
"""
