"""What developers run from a checkout; not installed with hostlink. The files without an ending are the commands."""
