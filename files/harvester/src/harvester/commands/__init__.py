"""Subcommands of `harvester`: parse arguments, call one function, print. May import every room below."""
