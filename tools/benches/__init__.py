"""The benches of tools/bench, one file each."""
