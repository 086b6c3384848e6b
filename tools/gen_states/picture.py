"""states/uplink.svg: the machine as `hostlink diagram --format svg` draws it, of the file and not of the made table."""

from __future__ import annotations

from hostlink.drawing.graph import END, Graph, Move, Node, arrows
from hostlink.drawing.layout import layout
from hostlink.drawing.svg import svg
from tools.gen_states.spec import STAY, Spec

FINISH = "finish"
"""The action after which the machine is done, whatever state it entered."""


def picture(spec: Spec) -> str:
    titles = {state.name: state.title for state in spec.states}
    moves = [
        Move(titles[row.state], END if FINISH in row.does else titles[row.to], row.trigger, row.guard)
        for row in spec.rows
        if row.to != STAY
    ]
    nodes = tuple(
        Node(state.title, spec.steps[state.step] if state.step else f"wait for {state.waiting}")
        for state in spec.states
    )
    return svg(layout(Graph(nodes, titles[spec.initial], arrows(moves))))
