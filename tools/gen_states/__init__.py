"""The generator behind tools/gen-states: reads states/uplink.toml, refuses what is incomplete, renders what is made.

    spec    the file as values, names still unchecked       faults   what is wrong with it, every fault at once
    module  the two typed modules                           page     states/README.md
    picture states/uplink.svg                               problems_page   states/problems.md, of the register
    main    the command

Of hostlink it imports only what does not need the made modules: the drawing, and the register of problems.
"""
