"""What happens behind EventBridge: who is told of an event, in which form, and when a schedule is due."""
