"""Code that all algorithms share: plans, loops, compiled programs, batches, records."""
