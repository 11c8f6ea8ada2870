"""The broker's sockets: the data socket (HSM) and the 50-level depth socket (TBT)."""
