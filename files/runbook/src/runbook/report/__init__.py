"""Questions to the pulled lake: SQL, and the HTML report."""
