"""Small eBPF programs for tc: assembled here, loaded here, no compiler and no library needed on the node."""
