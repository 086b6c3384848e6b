"""The machine as a picture: a graph of states and moves, laid out here, written as Mermaid, DOT, SVG or PNG.

    graph      what is drawn                       layout     where each part of it is
    texts      Mermaid and DOT, which others draw  svg, png   the layout as a picture

It knows nothing of the rest of hostlink: `hostlink diagram` draws the code's own table with it, and tools/gen-states
the file that this table is made from.
"""
