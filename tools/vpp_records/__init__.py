"""What is asked of a real VPP and recorded, by subject, and the recorder.

`tools/record-vpp` runs each scenario on a fresh real VPP and writes what came back to
`tests/lab/recordings/NAME.json`; `tests/lab/standin/test_recordings.py` replays them on the stand-in and compares. A
new question to VPP is a new scenario here, not an opinion in the stand-in.
"""
