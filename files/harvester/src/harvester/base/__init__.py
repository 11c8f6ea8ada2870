"""What every package stands on: clocks, errors, redaction, logging, systemd notification, file validation."""
