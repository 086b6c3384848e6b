"""Where things are on a node unless somebody says otherwise. A file of its own: every verb needs it, at once."""

from pathlib import Path

CONFIG_PATH = Path("/etc/hostlink/hostlink.toml")
RUNTIME_DIR = Path("/run/hostlink")
"""Control socket and lock."""
RUNTIME_MODE = 0o711
"""Its mode: who may use what is in it, each file says itself."""
JOURNAL_DIR = Path("/var/lib/hostlink")
"""Journal, holds, history: must outlive a reboot."""
