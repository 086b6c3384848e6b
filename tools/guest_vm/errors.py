"""What can go wrong with the guest itself."""


class GuestError(Exception):
    """The guest could not be made, or ended without saying how its command did; the text says why."""
