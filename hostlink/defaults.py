"""Where things are on a node unless somebody says otherwise. Plain text, in a file of its own: every verb needs it, at
once, and the import of pathlib takes as long as all else that a verb does."""

CONFIG_PATH = "/etc/hostlink/hostlink.toml"
RUNTIME_DIR = "/run/hostlink"
"""Control socket and lock."""
RUNTIME_MODE = 0o711
"""Its mode: who may use what is in it, each file says itself."""
JOURNAL_DIR = "/var/lib/hostlink"
"""Journal, holds, history: must outlive a reboot."""
