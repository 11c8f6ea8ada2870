"""Subcommands of `harvester`: thin modules that read arguments and call the package."""
