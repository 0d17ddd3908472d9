"""What operators see and do across owners: keys, owners, the audit log."""
