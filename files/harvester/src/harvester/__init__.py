"""Records market depth of NSE stocks, proves what it recorded, and delivers it."""
