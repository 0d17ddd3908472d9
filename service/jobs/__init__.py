"""What analyses and trials share: jobs that workers compute in parts."""
