"""tools/check --live: every scenario on every dataplane, and the report of it."""
