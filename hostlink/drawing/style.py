"""Colours and sizes. The card that all is drawn on is light and opaque: the picture is the same on any page."""

from __future__ import annotations

CARD, CARD_LINE = "#ffffff", "#d0d7de"
INK, FAINT = "#1f2328", "#57606a"
STATE = ("#eaf2fb", "#4a7ab5")
LAST = ("#fbf0ee", "#a8594f")
CURRENT = ("#ffe082", "#8d5a00")
"""Fill and border."""
ARROW = ("#6e7781", 1.6)
TAKEN = ("#b35900", 2.8)
"""Colour and width."""
NUMBER_INK = "#ffffff"

TITLE_SIZE, NOTE_SIZE, LABEL_SIZE, NUMBER_SIZE = 16.0, 11.0, 11.5, 10.5
