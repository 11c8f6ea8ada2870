"""What capture asks of a broker (`protocol`, `access`), and a package for each broker.

May import base, config, journal, ledger, net and tokens.
"""
