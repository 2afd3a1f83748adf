"""The order of things: trials, campaigns, Prefect flows and the pij command."""
