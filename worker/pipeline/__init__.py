"""The steps that the child computes: inspect, plan, shard, reduce."""
