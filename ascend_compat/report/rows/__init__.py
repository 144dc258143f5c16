"""What the tables of a report hold, before any markup."""
