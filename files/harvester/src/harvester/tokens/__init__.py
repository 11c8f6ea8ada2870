"""The broker's access token: where it comes from, what it says about itself, how it reaches the recorder."""
