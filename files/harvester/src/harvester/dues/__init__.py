"""One ledger of what was due on a day: met, late or missing, and why, over feeds, deliveries, jobs and whatever else.

Each kind of thing is a `Source` (`due`): it declares what is due and looks what came of it; `judge` alone decides.
Imports base, calendar, config, lake, health and jobs; reads files and asks systemd, no network.
"""
