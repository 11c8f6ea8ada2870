"""The operator's half: what the Invoke tasks do on the laptop. Hosts never get it."""
