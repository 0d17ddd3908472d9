"""What the child computes: inspect, plan, shard, reduce."""
