"""The manual pages: hostlink(1) of the parsers, hostlink.toml(5) of the configuration's classes and checks."""
