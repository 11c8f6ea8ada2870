"""What capture asks of a broker (`protocol`, `access`), and one package for each broker that answers it."""
