"""What is the same for every algorithm: plans, loops, compiled programs, batches, records."""
