"""A throwaway QEMU guest that has what this machine's kernel has not: `tools/guest`."""
