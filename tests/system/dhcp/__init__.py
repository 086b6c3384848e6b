"""DHCP servers on the lab's wire and DHCP clients on its node, each with files of its own in a stage's directory."""
